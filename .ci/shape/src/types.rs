//! The types of a crate with their methods and fields, and its functions with their lines.

use std::collections::BTreeMap;

use syn::{
    Block, Fields, ImplItem, ImplItemFn, Item, ItemFn, ItemImpl, Signature, TraitItemFn, Type,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::{
    krate::{Crate, FileId, ModuleId, is_for_tests},
    resolve::Target,
};

/// A type, by the file that defines it and its name.
pub type TypeId = (FileId, String);

#[derive(Default)]
pub struct TypeShape {
    /// The functions of its inherent implementations, wherever these stand.
    pub methods: Vec<(String, FileId)>,
    /// Of an `enum`, the number in the largest variant.
    pub fields: usize,
    /// Fields whose type is of this crate.
    pub known_fields: BTreeMap<String, TypeId>,
}

pub struct Function {
    pub name: String,
    pub file: FileId,
    pub line: usize,
    /// From the line with `fn` to the closing brace.
    pub lines: usize,
}

/// All types of a crate.
pub fn types(krate: &Crate) -> BTreeMap<TypeId, TypeShape> {
    let mut types = BTreeMap::new();
    for (id, module) in krate.modules.iter().enumerate() {
        for item in &module.items {
            match item {
                Item::Struct(item) => {
                    let shape = shape_of(&mut types, module.file, &item.ident);
                    shape.fields = item.fields.len();
                    shape.known_fields = known_fields(krate, id, &item.fields);
                }
                Item::Enum(item) => {
                    let sizes = item.variants.iter().map(|variant| variant.fields.len());
                    let shape = shape_of(&mut types, module.file, &item.ident);
                    shape.fields = sizes.max().unwrap_or(0);
                }
                Item::Impl(item) if item.trait_.is_none() => {
                    if let Some(target) = type_id(krate, id, &item.self_ty) {
                        let shape: &mut TypeShape = types.entry(target).or_default();
                        shape.methods.extend(methods(item, module.file));
                    }
                }
                _ => {}
            }
        }
    }
    types
}

fn shape_of<'a>(
    types: &'a mut BTreeMap<TypeId, TypeShape>,
    file: FileId,
    name: &syn::Ident,
) -> &'a mut TypeShape {
    types.entry((file, name.to_string())).or_default()
}

fn methods(item: &ItemImpl, file: FileId) -> impl Iterator<Item = (String, FileId)> {
    item.items.iter().filter_map(move |item| match item {
        ImplItem::Fn(item) if !is_for_tests(&item.attrs) => {
            Some((item.sig.ident.to_string(), file))
        }
        _ => None,
    })
}

fn known_fields(krate: &Crate, module: ModuleId, fields: &Fields) -> BTreeMap<String, TypeId> {
    let known = fields.members().zip(fields).filter_map(|(member, field)| {
        let name = match member {
            syn::Member::Named(name) => name.to_string(),
            syn::Member::Unnamed(index) => index.index.to_string(),
        };
        Some((name, type_id(krate, module, &field.ty)?))
    });
    known.collect()
}

/// The type of this crate that is meant, behind references and boxes.
pub fn type_id(krate: &Crate, module: ModuleId, meant: &Type) -> Option<TypeId> {
    match meant {
        Type::Reference(meant) => type_id(krate, module, &meant.elem),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            if last.ident == "Box"
                && let syn::PathArguments::AngleBracketed(arguments) = &last.arguments
                && let Some(syn::GenericArgument::Type(inner)) = arguments.args.first()
            {
                return type_id(krate, module, inner);
            }
            let found = krate.resolve(module, &segments(&path.path));
            found.into_iter().find_map(|target| match target {
                Target::Item(file, name) => Some((file, name)),
                _ => None,
            })
        }
        _ => None,
    }
}

pub fn segments(path: &syn::Path) -> Vec<String> {
    path.segments
        .iter()
        .map(|segment| segment.ident.to_string())
        .collect()
}

/// All functions of a crate that have a body.
pub fn functions(krate: &Crate) -> Vec<Function> {
    let mut found = Vec::new();
    for module in &krate.modules {
        let mut visitor = Functions {
            file: module.file,
            within: None,
            found: &mut found,
        };
        for item in &module.items {
            visitor.visit_item(item);
        }
    }
    found
}

struct Functions<'a> {
    file: FileId,
    within: Option<String>,
    found: &'a mut Vec<Function>,
}

impl Functions<'_> {
    fn add(&mut self, signature: &Signature, body: &Block) {
        let line = signature.fn_token.span().start().line;
        let name = match &self.within {
            Some(within) => format!("{within}::{}", signature.ident),
            None => signature.ident.to_string(),
        };
        self.found.push(Function {
            name,
            file: self.file,
            line,
            lines: body.brace_token.span.close().end().line - line + 1,
        });
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        self.within = match &*item.self_ty {
            Type::Path(path) => segments(&path.path).pop(),
            _ => None,
        };
        visit::visit_item_impl(self, item);
        self.within = None;
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.within = Some(item.ident.to_string());
        visit::visit_item_trait(self, item);
        self.within = None;
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            self.add(&item.sig, &item.block);
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(body) = &item.default {
            self.add(&item.sig, body);
            visit::visit_trait_item_fn(self, item);
        }
    }
}
