//! That docs/backends.md says what a run says.

#![cfg(feature = "stock")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use respool_conformance::{Check, Subject, catalogue, stock};

/// How often a cell is tried before it counts as changed. Some peers break a promise only now and
/// then, and a machine may be busy: a page that is right agrees with one of these.
const TRIES: usize = 5;

/// How many cells are tried at once, for each core. Most of what they do is wait.
const CELLS_PER_CORE: usize = 4;

#[test]
fn the_page_has_a_cell_for_every_rule_and_every_subject() {
    let page = Page::read();
    let ours: Vec<_> = respool::backends()
        .iter()
        .map(|entry| entry.info.name.to_owned())
        .collect();
    let stock: Vec<_> = stock::all()
        .into_iter()
        .map(|subject| subject.name)
        .collect();
    for (title, names) in [("Our backends", ours), ("Stock", stock)] {
        for name in names {
            for check in catalogue::all() {
                assert!(
                    page.cells.contains_key(&(
                        title.to_owned(),
                        name.clone(),
                        check.rule.to_owned()
                    )),
                    "{title}: no cell for {name} {}: run `cargo xtask matrix`",
                    check.rule
                );
            }
        }
    }
}

/// What our backends keep is tested by each one's own conformance tests; the page must say the same.
#[test]
fn cells_of_our_backends_say_what_their_tests_say() {
    let page = Page::read();
    for entry in respool::backends() {
        for check in catalogue::all() {
            let cell = page.cell("Our backends", entry.info.name, check.rule);
            let known = entry
                .info
                .known_failures
                .iter()
                .any(|known| known.rule == check.rule);
            let right = match known {
                true => cell == "known failure",
                false => matches!(cell, "kept" | "declared unsupported"),
            };
            assert!(
                right,
                "{} {}: the page says {cell}",
                entry.info.name, check.rule
            );
        }
    }
}

#[test]
fn cells_of_stock_pools_match_a_run() {
    let page = Page::read();
    let subjects = stock::all();
    let cells = subjects
        .iter()
        .flat_map(|subject| catalogue::all().iter().map(move |check| (subject, check)));
    let cells = Mutex::new(cells);
    let changed = Mutex::new(Vec::new());
    let work = || {
        loop {
            let next = cells.lock().unwrap().next();
            let Some((subject, check)) = next else {
                return;
            };
            if let Some(change) = change(&page, subject, check) {
                changed.lock().unwrap().push(change);
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..CELLS_PER_CORE * cores {
            scope.spawn(work);
        }
    });
    let changed = changed.into_inner().unwrap();
    assert!(
        changed.is_empty(),
        "docs/backends.md no longer matches; if the peers have changed, run `cargo xtask matrix`:\n{}",
        changed.join("\n")
    );
}

/// In what a cell of the page differs from `TRIES` runs, if it does from each.
fn change(page: &Page, subject: &Subject, check: &Check) -> Option<String> {
    let written = page.cell("Stock", &subject.name, check.rule);
    let mut seen = String::new();
    for _ in 0..TRIES {
        let report = respool_conformance::run(subject, check);
        if report.outcome.as_str().replace('_', " ") == written {
            return None;
        }
        seen = format!(
            "{} {}: the page says {written}, a run says {report}\n  respool check --stock {} --rule {}",
            subject.name, check.rule, subject.name, check.rule
        );
    }
    Some(seen)
}

/// The cells of the page by the title of their table, their subject and their rule.
struct Page {
    cells: BTreeMap<(String, String, String), String>,
}

impl Page {
    fn read() -> Page {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/backends.md");
        let text = std::fs::read_to_string(&path).expect("docs/backends.md can be read");
        let mut cells = BTreeMap::new();
        let mut title = String::new();
        let mut subjects: Vec<String> = Vec::new();
        for line in text.lines() {
            if let Some(heading) = line.strip_prefix("### ") {
                title = heading.to_owned();
            }
            let Some(row) = line
                .strip_prefix("| ")
                .and_then(|line| line.strip_suffix(" |"))
            else {
                continue;
            };
            let mut words = row.split(" | ").map(|word| word.replace('*', ""));
            match words.next() {
                Some(first) if first == "rule" => subjects = words.collect(),
                Some(rule) => {
                    for (subject, word) in subjects.iter().zip(words) {
                        cells.insert((title.clone(), subject.clone(), rule.clone()), word);
                    }
                }
                None => {}
            }
        }
        Page { cells }
    }

    fn cell(&self, title: &str, subject: &str, rule: &str) -> &str {
        let key = (title.to_owned(), subject.to_owned(), rule.to_owned());
        match self.cells.get(&key) {
            Some(cell) => cell,
            None => panic!("docs/backends.md has no cell for {subject} {rule} under {title}"),
        }
    }
}
