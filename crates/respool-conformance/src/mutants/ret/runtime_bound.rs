use std::mem;
use std::thread;
use std::time::Duration;

use respool_core::Connection;
use tokio::runtime::Handle;

use crate::mutants::forward::SpoilConnection;

pub(super) struct ReturnsInATask;

impl SpoilConnection for ReturnsInATask {
    fn give_back(&mut self, healthy: Box<dyn Connection>) {
        tokio::spawn(async move { drop(healthy) });
    }
}

pub(super) struct ReturnsInsideARuntime;

impl SpoilConnection for ReturnsInsideARuntime {
    fn give_back(&mut self, healthy: Box<dyn Connection>) {
        if Handle::try_current().is_err() {
            mem::forget(healthy);
        }
    }
}

pub(super) struct ReturnsLater;

impl SpoilConnection for ReturnsLater {
    fn give_back(&mut self, healthy: Box<dyn Connection>) {
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            drop(healthy);
        });
    }
}
