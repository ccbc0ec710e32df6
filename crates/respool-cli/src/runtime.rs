use crate::failure::Failure;

/// A multi-threaded runtime with `workers` threads.
pub(crate) fn with_workers(workers: usize) -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("could not start a tokio runtime: {error}")))
}

/// As many workers as the machine has cores for us.
pub(crate) fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
