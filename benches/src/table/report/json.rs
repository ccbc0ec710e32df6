//! One document with all numbers.

use serde::Serialize;
use serde_json::{Value, json};

use crate::table::{
    Bound, Figure, Good, Judged, Measured, Metric, Results, Rounds, Setting, Spread, Verdict, judge,
};

/// The version of the document's form. Fields may be added under the same number.
const SCHEMA: u32 = 1;

#[derive(Debug, Serialize)]
struct Row<'a> {
    case: &'a str,
    subject: String,
    #[serde(flatten)]
    metric: Metric,
    #[serde(flatten)]
    spread: Option<Spread>,
    problem: Option<String>,
}

/// Prints it.
///
/// # Errors
///
/// What serde says of a number that JSON doesn't have.
pub(crate) fn print<M: Measured>(
    rounds: &Rounds,
    setting: &Setting,
    figures: &[Figure<M>],
    results: &Results<M::Subject>,
) -> Result<(), String> {
    let figures: Vec<Value> = figures
        .iter()
        .map(|figure| {
            let targets: Vec<Value> = judge(figure, results)
                .iter()
                .map(|judged| target(setting.ours, figure, judged))
                .collect();
            json!({
                "name": figure.name,
                "title": figure.title,
                "targets": targets,
                "measured": measured(setting.ours, figure, results),
            })
        })
        .collect();
    let document = json!({
        "schema": SCHEMA,
        "setting": setting,
        "rounds": rounds.count,
        "quick": rounds.quick,
        "figures": figures,
    });
    let text = serde_json::to_string_pretty(&document).map_err(|error| error.to_string())?;
    println!("{text}");
    Ok(())
}

fn measured<'a, M: Measured>(
    ours: &str,
    figure: &'a Figure<M>,
    results: &Results<M::Subject>,
) -> Vec<Row<'a>> {
    let mut measured = Vec::new();
    for cell in &figure.measurements {
        for &metric in cell.shows() {
            let outcome = results.of(figure, cell.case(), cell.subject(), metric);
            measured.push(Row {
                case: cell.case(),
                subject: cell.name(ours),
                metric,
                spread: outcome.as_ref().ok().copied(),
                problem: outcome.err().map(|problem| problem.to_string()),
            });
        }
    }
    measured
}

fn target<M: Measured>(ours: &str, figure: &Figure<M>, judged: &Judged<'_, M::Subject>) -> Value {
    let target = judged.target;
    let name = |peer| figure.name_of(peer, &target.case, ours);
    let bound = match &target.bound {
        Bound::Fixed(figure) => json!({ "figure": figure }),
        Bound::OfBest(factor, of) => {
            json!({ "times_best": factor, "of": of.subjects.iter().map(|&peer| name(peer)).collect::<Vec<_>>() })
        }
        Bound::Above(more, of) => json!({ "above": more, "of": [name(*of)] }),
    };
    let good = match target.metric.good {
        Good::Less => "at most",
        Good::More => "at least",
        Good::Exactly => "exactly",
    };
    let (verdict, problem) = match &judged.verdict {
        Verdict::Met => ("met", None),
        Verdict::Missed => ("missed", None),
        Verdict::Unknown(problem) => ("unknown", Some(problem.to_string())),
    };
    json!({
        "case": target.case,
        "metric": target.metric.key,
        "unit": target.metric.unit,
        "ours": judged.ours.as_ref().ok(),
        "peer": judged.peer.map(|(subject, spread)| json!({
            "subject": name(subject),
            "spread": spread,
        })),
        "ratio": judged.ratio(),
        "good": good,
        "bound": bound,
        "verdict": verdict,
        "problem": problem,
    })
}
