//! Two tables: the targets, and everything that was measured.

use crate::table::{
    Bound, Figure, Good, Judged, Measured, Problem, Results, Rounds, Setting, Spread, Target,
    Verdict, judge,
};

/// Prints them, below what has to stand beside a number.
pub(crate) fn print<M: Measured>(
    rounds: &Rounds,
    setting: &Setting,
    figures: &[Figure<M>],
    results: &Results<M::Subject>,
) {
    println!("{}", head(rounds, setting));
    println!("{}", targets(setting.ours, figures, results));
    println!("{}", measured(setting.ours, figures, results));
}

fn head(rounds: &Rounds, setting: &Setting) -> String {
    let count = match rounds.count {
        1 => "1 round".to_owned(),
        count => format!("{count} rounds"),
    };
    format!(
        "{}, {} cores; {}; {}; respool {} at commit {}; {count} of {:?}{}.\n`{}`\n",
        setting.processor,
        setting.cores,
        setting.server,
        setting.peers.join(", "),
        setting.backend,
        setting.commit.as_deref().unwrap_or("unknown"),
        rounds.time,
        match rounds.quick {
            true => ", too few and too short to publish",
            false => "",
        },
        setting.command,
    )
}

fn targets<M: Measured>(
    ours: &str,
    figures: &[Figure<M>],
    results: &Results<M::Subject>,
) -> String {
    let mut table = format!(
        "| figure | respool {ours} | best peer | ratio | target | |\n|---|---|---|---|---|---|\n",
    );
    for figure in figures {
        for judged in judge(figure, results) {
            let peer = judged.peer.map_or_else(String::new, |(subject, spread)| {
                let name = figure.name_of(subject, &judged.target.case, ours);
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
                bound(ours, figure, &judged),
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

fn what<M: Measured>(figure: &Figure<M>, target: &Target<M::Subject>) -> String {
    let case = match &*target.case {
        "" => String::new(),
        case => format!(", {case}"),
    };
    format!("{}{case} ({})", figure.title, target.metric.unit)
}

fn bound<M: Measured>(ours: &str, figure: &Figure<M>, judged: &Judged<'_, M::Subject>) -> String {
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
            let name = figure.name_of(*of, &target.case, ours);
            format!("{sign} {name} + {more}")
        }
    }
}

fn measured<M: Measured>(
    ours: &str,
    figures: &[Figure<M>],
    results: &Results<M::Subject>,
) -> String {
    let mut table = "| figure | | subject | median | min–max |\n|---|---|---|---|---|\n".to_owned();
    for figure in figures {
        for measurement in &figure.measurements {
            for &metric in measurement.shows() {
                let case = match measurement.case() {
                    "" => metric.unit.to_owned(),
                    case => format!("{case}, {}", metric.unit),
                };
                let subject = measurement.name(ours);
                let outcome = results.of(figure, measurement.case(), measurement.subject(), metric);
                let row = match outcome {
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
