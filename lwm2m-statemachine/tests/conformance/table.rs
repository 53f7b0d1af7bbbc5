//! Runs the tests, and prints a table for each role.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use std::{io, panic, process::ExitCode, sync::Mutex};

use crate::steps::{step, take_step};

/// An item: its identifier and what it is about.
pub(crate) type Listed = (&'static str, &'static str);

/// A side of the specification, what it is tested for, and by which tests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Role {
    pub(crate) name: &'static str,
    /// All items, in groups.
    pub(crate) catalogue: &'static [&'static [Listed]],
    /// The items that may be without a test for now.
    pub(crate) not_yet: &'static [&'static str],
    /// The items that may be without a test for good.
    pub(crate) nothing: &'static [&'static str],
    /// The items and what shows them, in the order of the catalogue.
    pub(crate) items: &'static [Item],
}

/// How an item is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    /// The identifier in the catalogue.
    pub(crate) id: &'static str,
    pub(crate) shown: Shown,
}

/// By what an item is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shown {
    /// A test, by its name.
    Test(&'static str, fn()),
    /// Nothing yet: it belongs to something that is not built.
    NotYet(&'static str),
    /// Nothing, as there is nothing to show.
    Nothing(&'static str),
}

/// An item and its test.
macro_rules! test {
    ($id:literal, $module:ident :: $name:ident) => {
        Item {
            id: $id,
            shown: Shown::Test(stringify!($name), $module::$name),
        }
    };
}

/// An item that waits for something else.
macro_rules! not_yet {
    ($id:literal, $reason:literal) => {
        Item {
            id: $id,
            shown: Shown::NotYet($reason),
        }
    };
}

/// An item that can't be shown.
macro_rules! nothing {
    ($id:literal, $reason:literal) => {
        Item {
            id: $id,
            shown: Shown::Nothing($reason),
        }
    };
}

pub(crate) use {not_yet, nothing, test};

/// Runs the tests that the arguments select, as those of a test harness: names or parts of them,
/// `--exact`, `--skip NAME`, `--list`.
pub(crate) fn run(roles: &[Role], arguments: impl Iterator<Item = String>) -> ExitCode {
    let selection = Selection::of(arguments);
    if selection.list {
        for item in roles.iter().flat_map(|role| role.items) {
            if let Shown::Test(name, _) = item.shown {
                println!("{name}: test");
            }
        }
        return ExitCode::SUCCESS;
    }
    let fault: Arc<Mutex<String>> = Arc::default();
    let place = Arc::clone(&fault);
    panic::set_hook(Box::new(move |info| {
        if let Ok(mut fault) = place.lock() {
            *fault = info.to_string();
        }
    }));
    let tables: Vec<Table> = roles
        .iter()
        .map(|role| Table::of(role, &selection, &fault))
        .collect();
    drop(panic::take_hook());
    let mut out = io::stdout().lock();
    let printed = tables.iter().try_for_each(|table| table.print(&mut out));
    if printed.is_ok() && tables.iter().all(Table::is_right) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Which tests are wanted.
#[derive(Debug, Default)]
struct Selection {
    names: Vec<String>,
    skipped: Vec<String>,
    exact: bool,
    list: bool,
}

impl Selection {
    fn of(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut selection = Self::default();
        while let Some(argument) = arguments.next() {
            match &*argument {
                "--exact" => selection.exact = true,
                "--list" => selection.list = true,
                "--skip" => selection.skipped.extend(arguments.next()),
                // Their values follow. They don't matter here.
                "--test-threads" | "--format" | "--color" | "--logfile" | "-Z" => {
                    arguments.next();
                }
                option if option.starts_with('-') => {}
                _ => selection.names.push(argument),
            }
        }
        selection
    }

    fn is_all(&self) -> bool {
        self.names.is_empty() && self.skipped.is_empty()
    }

    fn has(&self, name: &str) -> bool {
        let matches = |part: &String| {
            if self.exact {
                name == part
            } else {
                name.contains(&**part)
            }
        };
        (self.names.is_empty() || self.names.iter().any(matches))
            && !self.skipped.iter().any(matches)
    }
}

/// The rows of a role, and what went wrong.
#[derive(Debug)]
struct Table {
    role: Role,
    rows: Vec<[&'static str; 4]>,
    failures: Vec<String>,
    faults: Vec<String>,
}

impl Table {
    /// Runs the tests of a role. The last panic leaves its message in `fault`.
    fn of(role: &Role, selection: &Selection, fault: &Mutex<String>) -> Self {
        let mut table = Self {
            role: *role,
            rows: Vec::new(),
            failures: Vec::new(),
            faults: role.faults(),
        };
        for item in role.items {
            let verdict = match item.shown {
                Shown::Test(name, test) if selection.has(name) => {
                    step("");
                    let passed = panic::catch_unwind(test).is_ok();
                    let at = take_step();
                    if !passed {
                        let fault = fault.lock().map(|fault| fault.clone()).unwrap_or_default();
                        table
                            .failures
                            .push(format!("{name}\n  at the step: {at}\n  {fault}"));
                    }
                    if passed { "pass" } else { "FAIL" }
                }
                Shown::NotYet(_) if selection.is_all() => "not yet",
                Shown::Nothing(_) if selection.is_all() => "nothing",
                _ => continue,
            };
            table.add(item, verdict);
        }
        table
    }

    fn add(&mut self, item: &Item, verdict: &'static str) {
        let by = match item.shown {
            Shown::Test(name, _) => name,
            Shown::NotYet(reason) | Shown::Nothing(reason) => reason,
        };
        self.rows
            .push([item.id, self.role.title(item.id), by, verdict]);
    }

    fn is_right(&self) -> bool {
        self.failures.is_empty() && self.faults.is_empty()
    }

    fn print(&self, out: &mut impl io::Write) -> io::Result<()> {
        let heading = ["id", "title", "test, or why there is none", "verdict"];
        let width = |column: usize| {
            let rows = self.rows.iter().chain([&heading]);
            rows.map(|row| row[column].len()).max().unwrap_or(0)
        };
        let (first, second, third) = (width(0), width(1), width(2));
        if self.rows.is_empty() && self.is_right() {
            return Ok(());
        }
        writeln!(out)?;
        for [id, title, by, verdict] in [&heading].into_iter().chain(&self.rows) {
            writeln!(out, "{id:first$}  {title:second$}  {by:third$}  {verdict}")?;
        }
        for fault in &self.faults {
            writeln!(out, "\nthe table is wrong: {fault}")?;
        }
        for failure in &self.failures {
            writeln!(out, "\nFAILED: {failure}")?;
        }
        let count = |of: &str| {
            self.rows
                .iter()
                .filter(|[.., verdict]| *verdict == of)
                .count()
        };
        writeln!(
            out,
            "\nconformance of the {}: {} passed, {} failed, {} not yet, {} with nothing to show\n",
            self.role.name,
            count("pass"),
            count("FAIL"),
            count("not yet"),
            count("nothing"),
        )
    }
}

impl Role {
    fn listed(&self) -> impl Iterator<Item = Listed> {
        self.catalogue.iter().copied().flatten().copied()
    }

    fn title(&self, id: &str) -> &'static str {
        let listed = self.listed().find(|(listed, _)| *listed == id);
        listed.map_or("", |(_, title)| title)
    }

    /// Whether the table is whole: each item of the catalogue is there, those without a test are the
    /// ones that the catalogue names and have a reason, each test has the name of its item, and no name
    /// is there twice.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let listed: BTreeSet<&str> = self.listed().map(|(id, _)| id).collect();
        let shown: BTreeSet<&str> = self.items.iter().map(|item| item.id).collect();
        for missing in listed.difference(&shown) {
            faults.push(format!("{missing} has no row"));
        }
        for unknown in shown.difference(&listed) {
            faults.push(format!("{unknown} is not in the catalogue"));
        }
        faults.extend(
            self.without_test(self.not_yet, "wait", |shown| match shown {
                Shown::NotYet(reason) => Some(reason),
                _ => None,
            }),
        );
        faults.extend(
            self.without_test(self.nothing, "show nothing", |shown| match shown {
                Shown::Nothing(reason) => Some(reason),
                _ => None,
            }),
        );
        for item in self.items {
            let rows = self.items.iter().filter(|other| other.id == item.id);
            if !matches!(item.shown, Shown::Test(..)) && rows.count() > 1 {
                faults.push(format!(
                    "{} has a row without a test beside others",
                    item.id
                ));
            }
        }
        let mut names = BTreeMap::new();
        for item in self.items {
            let Shown::Test(name, _) = item.shown else {
                continue;
            };
            let stem = item.id.to_lowercase().replace('-', "_");
            let rest = name.strip_prefix(&*stem);
            if !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_')) {
                faults.push(format!("{name} is not named after {}", item.id));
            }
            if let Some(other) = names.insert(name, item.id) {
                faults.push(format!("{name} shows {other} and {}", item.id));
            }
        }
        faults
    }

    /// Whether the items without a test, for one of the two reasons, are exactly those that the catalogue
    /// allows, and each says why.
    fn without_test(
        &self,
        allowed: &[&str],
        excuse: &str,
        reason: impl Fn(Shown) -> Option<&'static str>,
    ) -> Vec<String> {
        let mut faults = Vec::new();
        let mut found = BTreeSet::new();
        for item in self.items {
            let Some(reason) = reason(item.shown) else {
                continue;
            };
            found.insert(item.id);
            if reason.trim().is_empty() {
                faults.push(format!("{} has no test and no reason", item.id));
            }
        }
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        for unexpected in found.difference(&allowed) {
            faults.push(format!("{unexpected} has to have a test"));
        }
        for shown in allowed.difference(&found) {
            faults.push(format!(
                "{shown} is listed among those that {excuse}, and isn't one"
            ));
        }
        faults
    }
}
