//! What a crate breaks of the rules.

use std::{collections::BTreeMap, iter};

use crate::{
    arrows::{Arrows, arrows},
    krate::{Crate, FileId},
    rules::{Bounds, Foreign, Large, Order},
    types::{Function, TypeId, TypeShape, functions, types},
};

/// A crate and all that is counted of it.
pub struct Shape {
    pub krate: Crate,
    pub types: BTreeMap<TypeId, TypeShape>,
    /// Longest first.
    pub functions: Vec<Function>,
    pub arrows: Arrows,
}

/// Where a file stands in an order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    Above,
    In { layer: usize, room: usize },
    Nowhere,
}

impl Shape {
    pub fn new(krate: Crate) -> Self {
        let types = types(&krate);
        let mut functions = functions(&krate);
        functions.sort_by_key(|function| usize::MAX - function.lines);
        let arrows = arrows(&krate, &types);
        Self {
            krate,
            types,
            functions,
            arrows,
        }
    }

    /// Types and functions past the bounds, and exceptions that are none.
    pub fn sizes(&self, bounds: &Bounds, exceptions: &[Large]) -> Vec<String> {
        let mut broken = Vec::new();
        let exceptions: Vec<_> = exceptions
            .iter()
            .filter(|large| large.krate == self.krate.name)
            .collect();
        for ((file, name), shape) in &self.types {
            let count = shape.methods.len();
            if count > bounds.methods {
                broken.push(format!("{} has {count} methods", self.item(*file, name)));
            }
            let count = shape.fields;
            if count > bounds.fields && !exceptions.iter().any(|large| large.name == name) {
                broken.push(format!("{} has {count} fields", self.item(*file, name)));
            }
        }
        for large in exceptions {
            let needed = |((_, name), shape): (&TypeId, &TypeShape)| {
                name == large.name && shape.fields > bounds.fields
            };
            if !self.types.iter().any(needed) {
                broken.push(format!("{} needs no exception", large.name));
            }
        }
        let long = self
            .functions
            .iter()
            .filter(|long| long.lines > bounds.lines);
        broken.extend(long.map(|long| {
            let item = self.item(long.file, &long.name);
            format!("{item} has {} lines, from line {}", long.lines, long.line)
        }));
        broken
    }

    /// Files that import each other, directly or by way of others.
    pub fn circles(&self) -> Vec<String> {
        let circles = self.arrows.circles();
        let told = circles.iter().map(|circle| {
            let within = |from: &FileId, to: &FileId| circle.contains(from) && circle.contains(to);
            let arrows = self.arrows.between.keys().filter(|(a, b)| within(a, b));
            let lines = arrows.map(|&(from, to)| format!("\n    {}", self.arrow(from, to)));
            format!(
                "a circle of {} files{}",
                circle.len(),
                lines.collect::<String>()
            )
        });
        told.collect()
    }

    /// Arrows that point upward or between rooms of one layer, and modules without a place.
    pub fn upward(&self, orders: &[Order]) -> Vec<String> {
        let orders = orders.iter().filter(|order| order.krate == self.krate.name);
        orders.flat_map(|order| self.against(order)).collect()
    }

    fn against(&self, order: &Order) -> Vec<String> {
        let places: Vec<_> = self
            .krate
            .files
            .iter()
            .map(|file| place(order, &file.module))
            .collect();
        let nowhere = iter::zip(&self.krate.files, &places)
            .filter(|(_, place)| **place == Place::Nowhere)
            .map(|(file, _)| format!("{} is in no layer of `{}`", file.name, order.within));
        let upward = self
            .arrows
            .between
            .keys()
            .filter(|&&(from, to)| !may_use(places[from], places[to]))
            .map(|&(from, to)| format!("upward: {}", self.arrow(from, to)));
        nowhere.chain(upward).collect()
    }

    /// Uses of other crates of the six by rooms that know fewer of them.
    pub fn foreign(&self, rules: &[Foreign]) -> Vec<String> {
        let mut broken = Vec::new();
        for rule in rules.iter().filter(|rule| rule.krate == self.krate.name) {
            for ((file, name), arrow) in &self.arrows.foreign {
                let file = &self.krate.files[*file];
                let is_within = below(rule.within, &file.module).is_some();
                if is_within && !rule.sees.contains(&name.as_str()) {
                    let (line, what) = (arrow.line, &arrow.what);
                    broken.push(format!("{} uses {what}, line {line}", file.name));
                }
            }
        }
        broken
    }

    pub fn item(&self, file: FileId, name: &str) -> String {
        format!("{name} ({})", self.krate.files[file].name)
    }

    pub fn arrow(&self, from: FileId, to: FileId) -> String {
        let files = &self.krate.files;
        let arrow = self.arrows.between.get(&(from, to));
        let why = arrow.map(|arrow| format!("  `{}`, line {}", arrow.what, arrow.line));
        let why = why.unwrap_or_default();
        format!("{} -> {}{why}", files[from].name, files[to].name)
    }
}

/// What is left of a module's path below another one.
fn below<'a>(within: &str, module: &'a str) -> Option<&'a str> {
    if within.is_empty() {
        return Some(module);
    }
    let rest = module.strip_prefix(within)?;
    if rest.is_empty() {
        return Some(rest);
    }
    rest.strip_prefix("::")
}

fn place(order: &Order, module: &str) -> Place {
    let Some(rest) = below(order.within, module) else {
        return Place::Outside;
    };
    if rest.is_empty() {
        return Place::Above;
    }
    for (layer, rooms) in order.layers.iter().enumerate() {
        for (room, names) in rooms.iter().enumerate() {
            if names.split('+').any(|name| below(name, rest).is_some()) {
                return Place::In { layer, room };
            }
        }
    }
    Place::Nowhere
}

fn may_use(from: Place, to: Place) -> bool {
    match (from, to) {
        (Place::In { .. }, Place::Above) => false,
        (
            Place::In { layer, room },
            Place::In {
                layer: below,
                room: other,
            },
        ) => below < layer || (below == layer && other == room),
        _ => true,
    }
}
