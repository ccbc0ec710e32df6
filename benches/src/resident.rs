//! Resident memory of this process, as the kernel tells it.

/// What it has now, in bytes.
pub fn resident() -> f64 {
    status("VmRSS")
}

/// The most that it ever had, in bytes.
pub fn high_water_mark() -> f64 {
    status("VmHWM")
}

fn status(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux /proc");
    let kibibytes: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .expect("the kernel tells it in kB");
    kibibytes * 1024.0
}
