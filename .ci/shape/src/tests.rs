//! The crate in `fixture` breaks each rule, and each is seen.

use std::path::Path;

use crate::{
    check::Shape,
    krate::Crate,
    rules::{Bounds, Foreign, Large, Order},
};

const BOUNDS: Bounds = Bounds {
    methods: 2,
    fields: 2,
    lines: 4,
};

fn fixture() -> Shape {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixture");
    Shape::new(Crate::read(&directory, "fixture"))
}

fn arrows(shape: &Shape) -> Vec<String> {
    let names = |&(from, to): &(usize, usize)| {
        let name = |file: usize| &shape.krate.files[file].name;
        format!("{} -> {}", name(from), name(to))
    };
    shape.arrows.between.keys().map(names).collect()
}

#[test]
fn types_and_functions_past_the_bounds_are_told() {
    assert_eq!(
        fixture().sizes(&BOUNDS, &[]),
        [
            "Wide (high) has 3 fields",
            "Many (low) has 3 methods",
            "long (high) has 5 lines, from line 19",
        ]
    );
}

#[test]
fn an_exception_has_to_be_needed() {
    let exception = |name| Large {
        krate: "fixture",
        name,
    };
    let broken = fixture().sizes(&BOUNDS, &[exception("Wide"), exception("Lean")]);
    assert_eq!(
        broken,
        [
            "Many (low) has 3 methods",
            "Lean needs no exception",
            "long (high) has 5 lines, from line 19",
        ]
    );
}

#[test]
fn an_arrow_goes_to_the_definition() {
    assert_eq!(
        arrows(&fixture()),
        [
            "high -> low",
            "high/extra -> low",
            "left -> right",
            "low -> high/extra",
            "macros -> lib",
            "right -> left",
            "right -> macros",
        ]
    );
}

#[test]
fn files_that_import_each_other_are_told() {
    assert_eq!(
        fixture().circles(),
        [
            "a circle of 2 files
    high/extra -> low  `super::Many`, line 3
    low -> high/extra  `crate::Extra`, line 3",
            "a circle of 2 files
    left -> right  `crate::right::right`, line 4
    right -> left  `left::left`, line 6",
        ]
    );
}

#[test]
fn arrows_upward_and_sideways_and_modules_without_a_layer_are_told() {
    let order = Order {
        krate: "fixture",
        within: "",
        layers: &[&["low"], &["left", "right+macros"], &["high"]],
    };
    assert_eq!(
        fixture().upward(&[order]),
        [
            "stray is in no layer of ``",
            "upward: left -> right  `crate::right::right`, line 4",
            "upward: low -> high/extra  `crate::Extra`, line 3",
            "upward: macros -> lib  `crate::Root`, line 3",
            "upward: right -> left  `left::left`, line 6",
        ]
    );
}

#[test]
fn a_crate_that_a_room_may_not_know_is_told() {
    let rule = |sees| Foreign {
        krate: "fixture",
        within: "high",
        sees,
    };
    let broken = fixture().foreign(&[rule(&[])]);
    assert_eq!(broken, ["high uses lwm2m_core::Path::ROOT, line 22"]);
    assert!(fixture().foreign(&[rule(&["lwm2m_core"])]).is_empty());
}
