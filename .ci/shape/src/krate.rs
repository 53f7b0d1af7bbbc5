//! A crate as modules and files, read from its root by following its `mod` items. What only tests
//! compile is left out.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use syn::{Attribute, Item, ItemMod, UseTree, Visibility};

pub type FileId = usize;
pub type ModuleId = usize;

pub struct Crate {
    pub name: String,
    pub files: Vec<File>,
    pub modules: Vec<Module>,
}

pub struct File {
    /// Below `src`, without the suffix: `coap/message`.
    pub name: String,
    /// The module that the file is: `coap::message`, and nothing for the root.
    pub module: String,
    pub lines: usize,
}

pub struct Module {
    pub file: FileId,
    pub parent: Option<ModuleId>,
    pub items: Vec<Item>,
    /// A name may mean a type, a value and a macro.
    pub names: HashMap<String, Vec<Definition>>,
    /// What `use path::*` brings in.
    pub globs: Vec<Vec<String>>,
}

#[derive(Clone, Debug)]
pub enum Definition {
    Item,
    Module(ModuleId),
    /// A `use` of this path.
    Import(Vec<String>),
}

/// A name that a `use` brings in, and where from; without a name, all names.
pub struct Import {
    pub name: Option<String>,
    pub path: Vec<String>,
}

impl Crate {
    /// Reads the crate in this directory.
    pub fn read(directory: &Path, name: &str) -> Self {
        let mut read = Self {
            name: name.to_owned(),
            files: Vec::new(),
            modules: Vec::new(),
        };
        let source = directory.join("src");
        read.file(&source, &source.join("lib.rs"), None, &[]);
        read
    }

    /// Reads a file and what lies below it.
    fn file(
        &mut self,
        source: &Path,
        path: &Path,
        parent: Option<ModuleId>,
        names: &[String],
    ) -> ModuleId {
        let text = fs::read_to_string(path)
            .unwrap_or_else(|error| panic!("{} can't be read: {error}", path.display()));
        let parsed = syn::parse_file(&text)
            .unwrap_or_else(|error| panic!("{} can't be parsed: {error}", path.display()));
        let below = path.strip_prefix(source).unwrap_or(path);
        self.files.push(File {
            name: below.with_extension("").display().to_string(),
            module: names.join("::"),
            lines: text.lines().count(),
        });
        let stem = path.file_stem().unwrap_or_default();
        let directory = if stem == "lib" || stem == "mod" {
            path.with_file_name("")
        } else {
            path.with_extension("")
        };
        let place = Place {
            source,
            file: self.files.len() - 1,
            directory,
        };
        self.module(&place, parsed.items, parent, names)
    }

    fn module(
        &mut self,
        place: &Place<'_>,
        items: Vec<Item>,
        parent: Option<ModuleId>,
        names: &[String],
    ) -> ModuleId {
        let id = self.modules.len();
        self.modules.push(Module {
            file: place.file,
            parent,
            items: Vec::new(),
            names: HashMap::new(),
            globs: Vec::new(),
        });
        for item in items {
            if is_for_tests(attributes(&item)) {
                continue;
            }
            match item {
                Item::Mod(item) => {
                    let name = item.ident.to_string();
                    let child = self.child(place, item, id, names);
                    self.define(id, name, Definition::Module(child));
                }
                Item::Use(item) => {
                    for import in imports(&item.tree) {
                        match import.name {
                            Some(name) => self.define(id, name, Definition::Import(import.path)),
                            None => self.modules[id].globs.push(import.path),
                        }
                    }
                    self.modules[id].items.push(Item::Use(item));
                }
                item => {
                    if let Some(name) = name_of(&item) {
                        self.define(id, name, Definition::Item);
                    }
                    self.modules[id].items.push(item);
                }
            }
        }
        id
    }

    fn child(
        &mut self,
        place: &Place<'_>,
        item: ItemMod,
        parent: ModuleId,
        names: &[String],
    ) -> ModuleId {
        let name = item.ident.to_string();
        let names: Vec<_> = names.iter().cloned().chain([name.clone()]).collect();
        if let Some((_, items)) = item.content {
            let inside = Place {
                source: place.source,
                file: place.file,
                directory: place.directory.join(&name),
            };
            return self.module(&inside, items, Some(parent), &names);
        }
        let flat = place.directory.join(format!("{name}.rs"));
        let path = if flat.exists() {
            flat
        } else {
            place.directory.join(&name).join("mod.rs")
        };
        self.file(place.source, &path, Some(parent), &names)
    }

    fn define(&mut self, module: ModuleId, name: String, definition: Definition) {
        let names = &mut self.modules[module].names;
        names.entry(name).or_default().push(definition);
    }
}

/// Where the items of a module stand.
struct Place<'a> {
    source: &'a Path,
    file: FileId,
    /// Where the files of its child modules are.
    directory: PathBuf,
}

/// Whether this is compiled for tests only.
pub fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        if attribute.path().is_ident("test") {
            return true;
        }
        let Ok(condition) = attribute.meta.require_list() else {
            return false;
        };
        let condition = condition.tokens.to_string();
        attribute.path().is_ident("cfg")
            && !condition.contains("not")
            && condition
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|word| word == "test")
    })
}

/// Whether a `use` lends its names to other modules.
pub const fn is_export(visibility: &Visibility) -> bool {
    !matches!(visibility, Visibility::Inherited)
}

/// What a `use` brings in.
pub fn imports(tree: &UseTree) -> Vec<Import> {
    let mut found = Vec::new();
    collect(tree, Vec::new(), &mut found);
    found
}

fn collect(tree: &UseTree, mut path: Vec<String>, found: &mut Vec<Import>) {
    match tree {
        UseTree::Path(tree) => {
            path.push(tree.ident.to_string());
            collect(&tree.tree, path, found);
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                collect(tree, path.clone(), found);
            }
        }
        UseTree::Glob(_) => found.push(Import { name: None, path }),
        UseTree::Name(tree) => {
            let name = tree.ident.to_string();
            if name == "self" {
                let name = path.last().cloned();
                found.push(Import { name, path });
            } else {
                path.push(name.clone());
                let name = Some(name);
                found.push(Import { name, path });
            }
        }
        UseTree::Rename(tree) => {
            if tree.ident != "self" {
                path.push(tree.ident.to_string());
            }
            let name = Some(tree.rename.to_string());
            found.push(Import { name, path });
        }
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn name_of(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}
