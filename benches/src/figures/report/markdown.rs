//! Two tables: the targets, and everything that was measured.

use crate::arguments::Options;
use crate::figure::{Bound, Figure, Good, Target};
use crate::run::{Results, Spread};
use crate::setting::Setting;
use crate::stage::Problem;
use crate::subjects::Subject;
use crate::verdict::{Judged, Verdict, judge};

pub(crate) fn print(options: &Options, setting: &Setting, figures: &[Figure], results: &Results) {
    println!("{}", head(options, setting));
    println!("{}", targets(options, figures, results));
    println!("{}", measured(options, figures, results));
}

fn head(options: &Options, setting: &Setting) -> String {
    let rounds = match options.rounds {
        1 => "1 round".to_owned(),
        rounds => format!("{rounds} rounds"),
    };
    format!(
        "{}, {} cores; {}; {}; respool {} at commit {}; {rounds} of {:?}{}.\n`{}`\n",
        setting.processor,
        setting.cores,
        setting.server,
        setting.peers.join(", "),
        setting.backend,
        setting.commit.as_deref().unwrap_or("unknown"),
        options.time,
        match options.quick {
            true => ", too few and too short to publish",
            false => "",
        },
        setting.command,
    )
}

fn targets(options: &Options, figures: &[Figure], results: &Results) -> String {
    let mut table = format!(
        "| figure | {} | best peer | ratio | target | |\n|---|---|---|---|---|---|\n",
        Subject::Ours.name(options.backend.name, true)
    );
    for figure in figures {
        for judged in judge(figure, results) {
            let peer = judged.peer.map_or_else(String::new, |(subject, spread)| {
                let name = figure.name_of(subject, &judged.target.case, options.backend.name);
                format!("{} ({name})", shown(spread.median))
            });
            table += &format!(
                "| {} | {} | {peer} | {} | {} | {} |\n",
                what(figure, judged.target),
                match &judged.ours {
                    Ok(spread) => with_range(*spread),
                    Err(_) => String::new(),
                },
                judged
                    .ratio()
                    .map_or_else(String::new, |ratio| format!("{ratio:.2}")),
                bound(options, figure, &judged),
                match &judged.verdict {
                    Verdict::Met => "met".to_owned(),
                    Verdict::Missed => "**missed**".to_owned(),
                    Verdict::Unknown(problem) => told(problem),
                },
            );
        }
    }
    table
}

fn what(figure: &Figure, target: &Target) -> String {
    let case = match &*target.case {
        "" => String::new(),
        case => format!(", {case}"),
    };
    format!("{}{case} ({})", figure.title, target.metric.unit)
}

fn bound(options: &Options, figure: &Figure, judged: &Judged<'_>) -> String {
    let target = judged.target;
    let sign = match target.metric.good {
        Good::Less => "≤",
        Good::More => "≥",
        Good::Exactly => "=",
    };
    match &target.bound {
        Bound::Fixed(figure) => format!("{sign} {}", shown(*figure)),
        Bound::OfBest(factor, of) => format!("{sign} {factor:.2} × {}", of.name),
        Bound::Above(more, of) => {
            let name = figure.name_of(*of, &target.case, options.backend.name);
            format!("{sign} {name} + {more}")
        }
    }
}

fn measured(options: &Options, figures: &[Figure], results: &Results) -> String {
    let mut table = "| figure | | subject | median | min–max |\n|---|---|---|---|---|\n".to_owned();
    for figure in figures {
        for measurement in &figure.measurements {
            for &metric in measurement.shows {
                let case = match &*measurement.case {
                    "" => metric.unit.to_owned(),
                    case => format!("{case}, {}", metric.unit),
                };
                let backend = options.backend.name;
                let subject = figure.name_of(measurement.subject, &measurement.case, backend);
                let row = match results.of(figure, &measurement.case, measurement.subject, metric) {
                    Ok(spread) => format!("{} | {}", shown(spread.median), range(spread)),
                    Err(problem) => format!("{} |", told(&problem)),
                };
                table += &format!("| {} | {case} | {subject} | {row} |\n", figure.name);
            }
        }
    }
    table
}

fn told(problem: &Problem) -> String {
    problem.to_string().replace(['|', '\n'], " ")
}

fn with_range(spread: Spread) -> String {
    match shown(spread.min) == shown(spread.max) {
        true => shown(spread.median),
        false => format!("{} ({})", shown(spread.median), range(spread)),
    }
}

fn range(spread: Spread) -> String {
    format!("{}–{}", shown(spread.min), shown(spread.max))
}

/// Three digits or so; whole numbers as they are.
fn shown(figure: f64) -> String {
    match figure.abs() {
        // Also what rounds to zero from below.
        0.0..0.005 => "0".to_owned(),
        _ if figure.fract() == 0.0 => format!("{figure:.0}"),
        0.005..10.0 => format!("{figure:.2}"),
        10.0..100.0 => format!("{figure:.1}"),
        _ => format!("{figure:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_unless_they_are_whole() {
        assert_eq!(shown(0.0), "0");
        assert_eq!(shown(-0.001), "0");
        assert_eq!(shown(1.234), "1.23");
        assert_eq!(shown(10.0), "10");
        assert_eq!(shown(45.67), "45.7");
        assert_eq!(shown(1234.5), "1234");
    }
}
