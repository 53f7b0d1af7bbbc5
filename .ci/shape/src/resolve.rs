//! Which item of a crate a path means, through imports and re-exports.

use crate::krate::{Crate, Definition, FileId, ModuleId};

/// What a path means.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// An item, by the file that defines it and its name.
    Item(FileId, String),
    Module(ModuleId),
    /// Something of another crate.
    Foreign(String),
}

/// Imports that lead to each other in a circle end here.
const DEPTH: usize = 16;

impl Crate {
    /// What this path means in this module. What stands behind an item, such as a variant or an
    /// associated function, belongs to the item. Nothing, if it means something local.
    pub fn resolve(&self, module: ModuleId, path: &[String]) -> Vec<Target> {
        let mut found = self.walk(module, path, DEPTH);
        found.sort();
        found.dedup();
        found
    }

    fn walk(&self, module: ModuleId, path: &[String], depth: usize) -> Vec<Target> {
        let (Some((first, rest)), Some(depth)) = (path.split_first(), depth.checked_sub(1)) else {
            return Vec::new();
        };
        let begin = match first.as_str() {
            "crate" => vec![Target::Module(0)],
            "self" => vec![Target::Module(module)],
            "super" => vec![Target::Module(self.modules[module].parent.unwrap_or(0))],
            name => {
                let found = self.named(module, name, depth);
                if found.is_empty() && name.starts_with("lwm2m_") {
                    vec![Target::Foreign(name.to_owned())]
                } else {
                    found
                }
            }
        };
        let mut found = Vec::new();
        for target in begin {
            self.inside(target, rest, depth, &mut found);
        }
        found
    }

    /// Goes on from a target with the rest of a path.
    fn inside(&self, target: Target, rest: &[String], depth: usize, found: &mut Vec<Target>) {
        let (Target::Module(module), Some((name, rest))) = (&target, rest.split_first()) else {
            found.push(target);
            return;
        };
        if name == "super" {
            let parent = Target::Module(self.modules[*module].parent.unwrap_or(0));
            return self.inside(parent, rest, depth, found);
        }
        let known = self.modules[*module].names.contains_key(name);
        let targets = self.named(*module, name, depth);
        if targets.is_empty() && !known {
            // What a macro has defined has no name in the source.
            found.push(Target::Item(self.modules[*module].file, name.clone()));
        }
        for target in targets {
            self.inside(target, rest, depth, found);
        }
    }

    /// What a single name means in a module.
    fn named(&self, module: ModuleId, name: &str, depth: usize) -> Vec<Target> {
        let Some(depth) = depth.checked_sub(1) else {
            return Vec::new();
        };
        let this = &self.modules[module];
        if let Some(definitions) = this.names.get(name) {
            let mut found = Vec::new();
            for definition in definitions {
                match definition {
                    Definition::Item => found.push(Target::Item(this.file, name.to_owned())),
                    Definition::Module(child) => found.push(Target::Module(*child)),
                    // `use name::item as name`: here `name` is a child module or another crate.
                    Definition::Import(path) if path.first().is_some_and(|first| first == name) => {
                        for definition in definitions {
                            if let Definition::Module(child) = definition {
                                let child = Target::Module(*child);
                                self.inside(child, &path[1..], depth, &mut found);
                            }
                        }
                    }
                    Definition::Import(path) => found.extend(self.walk(module, path, depth)),
                }
            }
            return found;
        }
        let mut found = Vec::new();
        for glob in &this.globs {
            for target in self.walk(module, glob, depth) {
                if let Target::Module(source) = target
                    && source != module
                {
                    found.extend(self.named(source, name, depth));
                }
            }
        }
        found
    }

    /// What a macro name means, which may also be one of an enclosing module.
    pub fn resolve_macro(&self, module: ModuleId, path: &[String]) -> Vec<Target> {
        let mut at = Some(module);
        while let Some(module) = at {
            let found = self.resolve(module, path);
            if !found.is_empty() || path.len() > 1 {
                return found;
            }
            at = self.modules[module].parent;
        }
        Vec::new()
    }
}
