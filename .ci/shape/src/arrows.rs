//! Which file of a crate uses what another one defines.
//!
//! An arrow goes to the file with the definition, whatever re-exports it. A `mod` item and a
//! re-export make none. A call of a method makes one to the file with that method, where the type
//! is known: of `self`, of its fields and of theirs.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, Expr, ExprMethodCall, ImplItemFn, ItemImpl, ItemMacro, ItemUse, Macro, Member, Path,
    Visibility,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::{
    krate::{Crate, FileId, ModuleId, imports, is_export, is_for_tests},
    resolve::Target,
    types::{TypeId, TypeShape, segments, type_id},
};

/// An arrow, with the first place that makes it.
pub struct Arrow {
    pub line: usize,
    pub what: String,
}

#[derive(Default)]
pub struct Arrows {
    /// By where they begin and end.
    pub between: BTreeMap<(FileId, FileId), Arrow>,
    /// Those to other crates of this project, as in the source: `lwm2m_core`.
    pub foreign: BTreeMap<(FileId, String), Arrow>,
}

/// The arrows of a crate.
pub fn arrows(krate: &Crate, types: &BTreeMap<TypeId, TypeShape>) -> Arrows {
    let mut arrows = Arrows::default();
    for (id, module) in krate.modules.iter().enumerate() {
        let mut visitor = Uses {
            krate,
            types,
            module: id,
            file: module.file,
            this: None,
            arrows: &mut arrows,
        };
        for item in &module.items {
            visitor.visit_item(item);
        }
    }
    arrows
}

impl Arrows {
    /// Files of which each leads to each other, smallest sets first.
    pub fn circles(&self) -> Vec<BTreeSet<FileId>> {
        let files: BTreeSet<FileId> = self.between.keys().flat_map(|&(a, b)| [a, b]).collect();
        let reached: BTreeMap<FileId, BTreeSet<FileId>> =
            files.iter().map(|&file| (file, self.from(file))).collect();
        let circles: BTreeSet<BTreeSet<FileId>> = files
            .iter()
            .map(|file| {
                let meets = |other: &&FileId| reached[*other].contains(file);
                reached[file].iter().filter(meets).copied().collect()
            })
            .filter(|circle: &BTreeSet<FileId>| circle.len() > 1)
            .collect();
        let mut circles: Vec<_> = circles.into_iter().collect();
        circles.sort_by_key(BTreeSet::len);
        circles
    }

    /// All files that can be reached from this one, in one step or more.
    fn from(&self, file: FileId) -> BTreeSet<FileId> {
        let mut reached = BTreeSet::new();
        let mut next = vec![file];
        while let Some(file) = next.pop() {
            for &(_, to) in self.between.keys().filter(|&&(from, _)| from == file) {
                if reached.insert(to) {
                    next.push(to);
                }
            }
        }
        reached
    }
}

struct Uses<'a> {
    krate: &'a Crate,
    types: &'a BTreeMap<TypeId, TypeShape>,
    module: ModuleId,
    file: FileId,
    /// The type of `self`.
    this: Option<TypeId>,
    arrows: &'a mut Arrows,
}

impl Uses<'_> {
    fn path(&mut self, path: &[String], line: usize) {
        let found = match (&self.this, path) {
            (Some(this), [first, rest @ ..]) if first == "Self" => {
                let this = this.clone();
                if let [name, ..] = rest {
                    self.method(&this, name, line);
                }
                return;
            }
            _ => self.krate.resolve(self.module, path),
        };
        self.targets(found, path, line);
        // `Type::function` may stand in another file than the type.
        if let [owner @ .., name] = path {
            for target in self.krate.resolve(self.module, owner) {
                if let Target::Item(file, owner) = target {
                    self.method(&(file, owner), name, line);
                }
            }
        }
    }

    fn targets(&mut self, targets: Vec<Target>, path: &[String], line: usize) {
        for target in targets {
            match target {
                Target::Item(file, _) => self.arrow(file, line, path.join("::")),
                Target::Foreign(name) => {
                    let what = path.join("::");
                    let foreign = &mut self.arrows.foreign;
                    foreign
                        .entry((self.file, name))
                        .or_insert(Arrow { line, what });
                }
                Target::Module(_) => {}
            }
        }
    }

    fn method(&mut self, owner: &TypeId, name: &str, line: usize) {
        let Some(shape) = self.types.get(owner) else {
            return;
        };
        for (method, file) in &shape.methods {
            if method == name {
                self.arrow(*file, line, format!("{}::{name}", owner.1));
            }
        }
    }

    fn arrow(&mut self, to: FileId, line: usize, what: String) {
        if to != self.file {
            let between = &mut self.arrows.between;
            between
                .entry((self.file, to))
                .or_insert(Arrow { line, what });
        }
    }

    /// The type of `self`, `self.field`, `self.field.field` and so on.
    fn type_of(&self, value: &Expr) -> Option<TypeId> {
        match value {
            Expr::Path(path) if path.path.is_ident("self") => self.this.clone(),
            Expr::Field(field) => {
                let owner = self.type_of(&field.base)?;
                let name = match &field.member {
                    Member::Named(name) => name.to_string(),
                    Member::Unnamed(index) => index.index.to_string(),
                };
                self.types.get(&owner)?.known_fields.get(&name).cloned()
            }
            Expr::Paren(inner) => self.type_of(&inner.expr),
            Expr::Reference(inner) => self.type_of(&inner.expr),
            _ => None,
        }
    }

    /// Takes what looks like a path in what a macro is given.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        let mut colons = 0;
        let mut is_member = false;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.end_of_path(&mut path, line);
                    }
                    line = name.span().start().line;
                    if !is_member {
                        path.push(name.to_string());
                    }
                    colons = 0;
                    is_member = false;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.end_of_path(&mut path, line);
                    (colons, is_member) = (0, false);
                    self.tokens(group.stream());
                }
                other => {
                    self.end_of_path(&mut path, line);
                    colons = 0;
                    is_member = matches!(&other, TokenTree::Punct(punct) if punct.as_char() == '.');
                }
            }
        }
        self.end_of_path(&mut path, line);
    }

    fn end_of_path(&mut self, path: &mut Vec<String>, line: usize) {
        if !path.is_empty() {
            self.path(&std::mem::take(path), line);
        }
    }
}

impl<'ast> Visit<'ast> for Uses<'_> {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if is_export(&item.vis) {
            return;
        }
        for import in imports(&item.tree) {
            if import.name.is_some() {
                self.path(&import.path, item.span().start().line);
            }
        }
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let outer = self.this.take();
        self.this = type_id(self.krate, self.module, &item.self_ty);
        visit::visit_item_impl(self, item);
        self.this = outer;
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        self.path(&segments(path), path.span().start().line);
        visit::visit_path(self, path);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        if let Some(owner) = self.type_of(&call.receiver) {
            let line = call.method.span().start().line;
            self.method(&owner, &call.method.to_string(), line);
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_item_macro(&mut self, item: &'ast ItemMacro) {
        // The body of a macro's definition is read where the macro is used.
        if item.ident.is_none() {
            self.visit_macro(&item.mac);
        }
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        let path = segments(&call.path);
        let found = self.krate.resolve_macro(self.module, &path);
        self.targets(found, &path, call.path.span().start().line);
        self.tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}
