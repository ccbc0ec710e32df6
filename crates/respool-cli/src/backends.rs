//! `respool backends`: which are compiled in, and what they can do.

use std::process::ExitCode;

use respool::{BackendInfo, Capabilities, PoolConfig};

use crate::failure::Failure;
use crate::output;

/// What is said of one backend.
#[derive(Debug)]
pub(crate) struct Description {
    info: BackendInfo,
    capabilities: Capabilities,
}

/// Asks each backend that is compiled in.
pub(crate) fn describe() -> Result<Vec<Description>, Failure> {
    respool::backends()
        .iter()
        .map(|entry| {
            let pool = (entry.build)(PoolConfig::default())?;
            Ok(Description {
                info: entry.info,
                capabilities: pool.capabilities(),
            })
        })
        .collect()
}

pub(crate) fn report(descriptions: &[Description]) -> Result<ExitCode, Failure> {
    for description in descriptions {
        let info = &description.info;
        let (claimed, not): (Vec<_>, Vec<_>) = description
            .capabilities
            .iter()
            .partition(|(_, claimed)| *claimed);
        output::print(&format!(
            "{}\n  wraps        {}, speaks through {}\n  can          {}\n  can't        {}",
            info.name,
            info.library,
            info.redis_crate,
            names(&claimed),
            names(&not)
        ))?;
        for failure in info.known_failures {
            output::print(&format!(
                "  does not keep {}: {}\n                {}",
                failure.rule, failure.reason, failure.link
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn names(capabilities: &[(&str, bool)]) -> String {
    let names: Vec<_> = capabilities.iter().map(|(name, _)| *name).collect();
    if names.is_empty() {
        return "-".to_owned();
    }
    names.join(", ")
}
