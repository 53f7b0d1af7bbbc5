//! The READMEs and the documentation agree, and a README reads well outside of rustdoc.

use std::{fs, path::Path};

const README: &str = include_str!("../../README.md");
const CLIENT: &str = include_str!("../../lwm2m-statemachine/src/client/guide.md");

/// The lines of the first Rust example after a heading, as a reader sees them.
fn example<'t>(text: &'t str, heading: &str) -> Vec<&'t str> {
    text.lines()
        .map(|line| line.strip_prefix("//!").unwrap_or(line))
        .skip_while(|line| line.trim() != heading)
        .skip_while(|line| !line.trim().starts_with("```"))
        .skip(1)
        .take_while(|line| line.trim() != "```")
        .filter(|line| !line.trim().starts_with('#'))
        .map(str::trim)
        .collect()
}

/// The loop of the documentation, which is a doc test, begins with the lines of the README.
#[test]
fn the_client_of_the_readme_is_the_one_that_the_loop_drives() {
    let readme = example(README, "## A client in a few lines");
    let snippet = readme
        .iter()
        .skip_while(|line| !line.starts_with("let server ="))
        .take_while(|line| !line.starts_with("client.start("))
        .filter(|line| !line.is_empty());
    let looping = example(CLIENT, "# The loop");
    let mut rest = looping.iter();
    let mut found = 0;
    for line in snippet {
        assert!(rest.any(|told| told == line), "not in the loop: {line}");
        found += 1;
    }
    assert!(found >= 6, "the README's snippet was not found");
    assert!(rest.any(|line| line.starts_with("client.start(")));
    assert!(rest.any(|line| *line == "loop {"));
}

/// The text of each README of the repository, by its folder.
fn readmes() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    folders
        .chain([root.clone()])
        .filter_map(|folder| {
            let text = fs::read_to_string(folder.join("README.md")).ok()?;
            Some((folder.display().to_string(), text))
        })
        .collect()
}

/// The examples of a README: what stands behind the three backticks, and the lines.
fn examples(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut examples = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            let example = lines.by_ref().take_while(|line| line.trim() != "```");
            examples.push((language, example.collect()));
        }
    }
    examples
}

/// Only rustdoc hides lines that begin with `#`: the page of a crate in a registry shows them.
#[test]
fn no_example_of_a_readme_has_hidden_lines() {
    let mut rust = 0;
    for (folder, text) in readmes() {
        for (language, lines) in examples(&text) {
            // Without a language an example is Rust to rustdoc.
            if !language.is_empty() && !language.starts_with("rust") {
                continue;
            }
            rust += 1;
            for line in lines {
                let hidden = line.trim() == "#" || line.trim_start().starts_with("# ");
                assert!(!hidden, "{folder}/README.md: {line}");
            }
        }
    }
    assert!(rust >= 10, "only {rust} examples were found");
}

/// The README examples of each published crate are tests, all of them.
#[test]
fn every_example_of_a_readme_is_a_test() {
    let mut crates = 0;
    for (folder, text) in readmes() {
        // The root isn't a crate: the examples crate tests its README.
        let Ok(library) = fs::read_to_string(format!("{folder}/src/lib.rs")) else {
            continue;
        };
        let mut languages = examples(&text).into_iter().map(|(language, _)| language);
        let of_rust = |language: &str| language.is_empty() || language.starts_with("rust");
        assert!(
            !languages
                .clone()
                .any(|language| language.contains("ignore")),
            "{folder}: an example is ignored"
        );
        if languages.any(of_rust) {
            let included = library.contains("include_str!(\"../README.md\")");
            assert!(included, "{folder}: its README is no test");
            crates += 1;
        }
    }
    assert_eq!(crates, 6);
}
