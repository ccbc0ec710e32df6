//! Memory and descriptors of this process, where the system tells.

use serde::Serialize;

const MEBIBYTE: u64 = 1 << 20;
/// What descriptors may vary by from one quiet moment to another: the server's own connections.
const DESCRIPTORS_TO_SPARE: usize = 8;

/// What the process takes at one moment; `None` where that can't be known.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Sample {
    pub(super) memory: Option<u64>,
    pub(super) descriptors: Option<usize>,
}

/// What it took at each quiet moment.
#[derive(Debug, Default)]
pub(super) struct Growth {
    pub(super) samples: Vec<Sample>,
}

impl Sample {
    pub(super) fn take() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let memory = status.lines().find_map(|line| {
            let kilobytes = line.strip_prefix("VmRSS:")?.split_whitespace().next()?;
            Some(kilobytes.parse::<u64>().ok()? << 10)
        });
        Sample {
            memory,
            descriptors: std::fs::read_dir("/proc/self/fd").ok().map(Iterator::count),
        }
    }
}

impl Growth {
    /// Keeps `sample`, unless it has more descriptors than the first allows.
    pub(super) fn note(&mut self, sample: Sample) -> Result<(), String> {
        let first = self.samples.first().and_then(|first| first.descriptors);
        if let (Some(first), Some(now)) = (first, sample.descriptors)
            && now > first + DESCRIPTORS_TO_SPARE
        {
            return Err(format!(
                "{now} file descriptors are open; at first there were {first}"
            ));
        }
        self.samples.push(sample);
        Ok(())
    }

    /// The memory of the last third against that of the second: above a fifth and 20 MiB more is a
    /// leak. Six quiet moments at least, or nothing can be said.
    pub(super) fn judge(&self) -> Result<(), String> {
        let memory: Vec<_> = self
            .samples
            .iter()
            .filter_map(|sample| sample.memory)
            .collect();
        let third = memory.len() / 3;
        if third < 2 {
            return Ok(());
        }
        let before = median(&memory[third..2 * third]);
        let after = median(&memory[2 * third..]);
        if after > before + before / 5 && after > before + 20 * MEBIBYTE {
            return Err(format!(
                "memory grows: {} MiB in the last third, {} MiB in the second",
                after / MEBIBYTE,
                before / MEBIBYTE
            ));
        }
        Ok(())
    }
}

fn median(values: &[u64]) -> u64 {
    let mut values = values.to_vec();
    values.sort_unstable();
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(memory: u64, descriptors: usize) -> Sample {
        Sample {
            memory: Some(memory * MEBIBYTE),
            descriptors: Some(descriptors),
        }
    }

    #[test]
    fn memory_that_grows_is_found() {
        let mut growth = Growth::default();
        for memory in [10, 60, 60, 60, 65, 65] {
            growth.note(of(memory, 30)).unwrap();
        }
        assert!(growth.judge().is_ok());
        for memory in [90, 120, 150] {
            growth.note(of(memory, 30)).unwrap();
        }
        assert!(growth.judge().is_err());
    }

    #[test]
    fn descriptors_that_stay_open_are_found() {
        let mut growth = Growth::default();
        growth.note(of(10, 30)).unwrap();
        assert!(growth.note(of(10, 38)).is_ok());
        assert!(growth.note(of(10, 39)).is_err());
    }
}
