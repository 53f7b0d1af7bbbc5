//! The README and the documentation tell the same.

const README: &str = include_str!("../../README.md");
const CLIENT: &str = include_str!("../../lwm2m-statemachine/src/client/mod.rs");

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

/// What the README begins, the loop of the documentation goes on with: that loop is a test that
/// registers, and its first lines are those of the README.
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
