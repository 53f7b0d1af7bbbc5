//! Counts the six library crates and checks their shape: see `README.md`.
//!
//! Without arguments it prints a table for each crate, and what is past the bounds of [`rules`].
//! With the name of a crate it prints every arrow between two of its files.

mod arrows;
mod check;
mod krate;
mod resolve;
mod rules;
#[cfg(test)]
mod tests;
mod types;

use std::{env, path::Path, process::ExitCode};

use check::Shape;
use krate::Crate;
use rules::{BOUNDS, CRATES, FOREIGN, LARGE, ORDERS};

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if let Some(name) = env::args().nth(1) {
        let shape = read(&root, &name);
        for &(from, to) in shape.arrows.between.keys() {
            println!("{}", shape.arrow(from, to));
        }
        return ExitCode::SUCCESS;
    }
    let mut broken = 0;
    for name in CRATES {
        let shape = read(&root, name);
        table(&shape);
        let mut found = shape.sizes(&BOUNDS, LARGE);
        found.extend(shape.circles());
        found.extend(shape.upward(ORDERS));
        found.extend(shape.foreign(FOREIGN));
        for found in &found {
            println!("  PAST A BOUND: {found}");
        }
        println!();
        broken += found.len();
    }
    println!("past a bound: {broken}");
    ExitCode::from(u8::from(broken > 0))
}

fn read(root: &Path, name: &str) -> Shape {
    Shape::new(Crate::read(&root.join(name), name))
}

fn table(shape: &Shape) {
    let files = &shape.krate.files;
    let lines: usize = files.iter().map(|file| file.lines).sum();
    println!(
        "{}: {} files, {lines} lines, {} types, {} functions, {} arrows between files, {} circles",
        shape.krate.name,
        files.len(),
        shape.types.len(),
        shape.functions.len(),
        shape.arrows.between.len(),
        shape.arrows.circles().len(),
    );
    let types = |count: fn(&types::TypeShape) -> usize| {
        let counted = shape
            .types
            .iter()
            .map(|((file, name), shape)| (count(shape), (*file, name.as_str())));
        largest(shape, counted.collect())
    };
    println!(
        "  most methods:      {}",
        types(|shape| shape.methods.len())
    );
    println!("  most fields:       {}", types(|shape| shape.fields));
    let functions = shape.functions.iter();
    let functions = functions.map(|long| (long.lines, (long.file, long.name.as_str())));
    println!(
        "  longest functions: {}",
        largest(shape, functions.collect())
    );
    let files = files.iter().enumerate();
    let files = files.map(|(file, lines)| (lines.lines, (file, "")));
    println!("  longest files:     {}", largest(shape, files.collect()));
}

/// The three largest.
fn largest(shape: &Shape, mut counted: Vec<(usize, (usize, &str))>) -> String {
    counted.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let told = counted.iter().take(3).map(|(count, (file, name))| {
        let item = shape.item(*file, name);
        format!("{count:3} {}", item.trim_start())
    });
    told.collect::<Vec<_>>().join(", ")
}
