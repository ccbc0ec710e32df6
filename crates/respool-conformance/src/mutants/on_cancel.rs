/// Runs something when the future that holds it is dropped before it ended.
pub(super) struct OnCancel<F: FnOnce()> {
    action: Option<F>,
}

impl<F: FnOnce()> OnCancel<F> {
    pub(super) fn new(action: F) -> Self {
        OnCancel {
            action: Some(action),
        }
    }

    /// The future has ended in its own way.
    pub(super) fn disarm(mut self) {
        self.action = None;
    }
}

impl<F: FnOnce()> Drop for OnCancel<F> {
    fn drop(&mut self) {
        if let Some(action) = self.action.take() {
            action();
        }
    }
}
