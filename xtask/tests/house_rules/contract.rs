use std::collections::BTreeSet;

use respool_conformance::{catalogue, mutants};

use crate::workspace::{quoted, read, root};

#[test]
fn every_rule_names_its_check_or_says_that_it_has_none_yet() {
    for rule in &Contract::read().rules {
        assert!(
            rule.checks.is_empty() == rule.says_not_yet_checked,
            "{}: give it either a line `Checked by:` or one `Not yet checked`",
            rule.number
        );
    }
}

#[test]
fn rules_are_numbered_without_gaps() {
    let mut expected = (String::new(), 0);
    for rule in &Contract::read().rules {
        let (group, number) = rule.number.split_once('-').expect("a rule is GROUP-NUMBER");
        expected = match expected {
            (last, count) if last == group => (last, count + 1),
            _ => (group.to_owned(), 1),
        };
        assert_eq!(number, expected.1.to_string(), "{}", rule.number);
    }
}

#[test]
fn the_contract_and_the_kit_name_the_same_checks() {
    let in_contract = Contract::read().pairs(|rule| &rule.checks);
    let in_kit: BTreeSet<_> = catalogue::all()
        .iter()
        .map(|check| (check.rule.to_owned(), check.name.to_owned()))
        .collect();
    assert_same(&in_contract, &in_kit, "check");
}

#[test]
fn the_contract_and_the_kit_name_the_same_mutants() {
    let in_contract = Contract::read().pairs(|rule| &rule.mutants);
    let in_kit: BTreeSet<_> = mutants::all()
        .iter()
        .map(|mutant| (mutant.rule.to_owned(), mutant.name.to_owned()))
        .collect();
    assert_same(&in_contract, &in_kit, "mutant");
}

#[test]
fn the_contract_and_the_kit_agree_how_a_rule_binds() {
    let contract = Contract::read();
    for check in catalogue::all() {
        let rule = contract.rules.iter().find(|rule| rule.number == check.rule);
        let rule = rule.unwrap_or_else(|| panic!("docs/contract.md has no {}", check.rule));
        assert_eq!(
            rule.severity.to_lowercase(),
            check.severity.as_str(),
            "{}",
            check.rule
        );
    }
}

/// `docs/contract.md`, as far as it can be held to account.
struct Contract {
    rules: Vec<Rule>,
}

struct Rule {
    number: String,
    severity: String,
    checks: Vec<String>,
    mutants: Vec<String>,
    says_not_yet_checked: bool,
}

impl Contract {
    fn read() -> Contract {
        let text = read(&root().join("docs/contract.md"));
        let rules: Vec<Rule> = text.split("\n### ").skip(1).map(Rule::parse).collect();
        assert!(!rules.is_empty(), "docs/contract.md has no rules");
        Contract { rules }
    }

    /// Each rule's number with each name that `names` finds in it.
    fn pairs(&self, names: fn(&Rule) -> &Vec<String>) -> BTreeSet<(String, String)> {
        self.rules
            .iter()
            .flat_map(|rule| {
                names(rule)
                    .iter()
                    .map(|name| (rule.number.clone(), name.clone()))
            })
            .collect()
    }
}

impl Rule {
    /// Reads `GET-1 (MUST): one holder at a time` and the lines below it.
    fn parse(section: &str) -> Rule {
        let title = section.lines().next().unwrap_or_default();
        let (head, _) = title
            .split_once("): ")
            .unwrap_or_else(|| panic!("{title:?} is not like: GET-1 (MUST): what"));
        let (number, severity) = head
            .split_once(" (")
            .unwrap_or_else(|| panic!("{title:?} is not like: GET-1 (MUST): what"));
        let names_after = |start: &str| -> Vec<String> {
            section
                .lines()
                .filter_map(|line| line.strip_prefix(start))
                .flat_map(quoted)
                .map(str::to_owned)
                .collect()
        };
        Rule {
            number: number.to_owned(),
            severity: severity.to_owned(),
            checks: names_after("- Checked by:"),
            mutants: names_after("- Mutants:"),
            says_not_yet_checked: section.contains("\n- Not yet checked"),
        }
    }
}

fn assert_same(
    in_contract: &BTreeSet<(String, String)>,
    in_kit: &BTreeSet<(String, String)>,
    what: &str,
) {
    let only_in_contract: Vec<_> = in_contract.difference(in_kit).collect();
    let only_in_kit: Vec<_> = in_kit.difference(in_contract).collect();
    assert!(
        only_in_contract.is_empty() && only_in_kit.is_empty(),
        "docs/contract.md names a {what} that the kit hasn't: {only_in_contract:?}\n\
         the kit has a {what} that docs/contract.md doesn't name: {only_in_kit:?}"
    );
}
