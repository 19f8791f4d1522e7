//! The word that a server stops.

use tokio::sync::watch;

/// Says when the server stops. Answers that go on, such as a page's events, end then; else they would be waited for.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    pub(super) const fn new(receiver: watch::Receiver<bool>) -> Self {
        Self(receiver)
    }

    /// Waits until the server stops.
    pub async fn told(&mut self) {
        // An error means that nobody is left who could say so.
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// The same as a channel: it becomes true when the server stops.
    #[must_use]
    pub fn channel(&self) -> watch::Receiver<bool> {
        self.0.clone()
    }
}
