//! Drives the client of one connection.

use rumqttc::{ConnectionError, Event, EventLoop};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

type Polled = Result<Event, ConnectionError>;

/// Polls the client's event loop in a task of its own: a poll that is dropped half-way would lose the connection it
/// is making. The task ends with the session.
pub(super) struct Poller {
    pub(super) events: mpsc::Receiver<Polled>,
    task: AbortHandle,
}

impl Poller {
    pub(super) fn start(mut event_loop: EventLoop) -> Self {
        let (queue, events) = mpsc::channel(16);
        let task = tokio::spawn(async move {
            loop {
                let polled = event_loop.poll().await;
                let ends = polled.is_err();
                if queue.send(polled).await.is_err() || ends {
                    break;
                }
            }
        });
        Self { events, task: task.abort_handle() }
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.task.abort();
    }
}
