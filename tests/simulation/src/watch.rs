//! A watch channel that wakes its waiters in the order in which they came.
//! tokio's own picks among several lists by dice that no seed reaches, and so
//! one seed would give many runs.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::task::{Context, Poll, Waker};

use openraft_rt::watch::{RecvError, SendError, Watch, WatchReceiver, WatchSender};
use openraft_rt::{OptionalSend, OptionalSync};

use crate::shared::Shared;

pub struct FifoWatch;

struct Waiters {
    version: u64,
    senders: usize,
    receivers: usize,
    next_id: u64,
    waiting: Vec<(u64, Waker)>,
}

struct Channel<T> {
    value: RwLock<T>,
    waiters: Shared<Waiters>,
}

fn wake(waiting: Vec<(u64, Waker)>) {
    waiting.into_iter().for_each(|(_, waker)| waker.wake());
}

impl<T> Channel<T> {
    fn changed(&self) {
        wake(self.waiters.with(|waiters| {
            waiters.version += 1;
            std::mem::take(&mut waiters.waiting)
        }));
    }

    fn borrow(&self) -> Ref<'_, T> {
        Ref(self.value.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn version(&self) -> u64 {
        self.waiters.with(|waiters| waiters.version)
    }
}

pub struct Ref<'a, T>(RwLockReadGuard<'a, T>);

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

pub struct Sender<T>(Arc<Channel<T>>);

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.waiters.with(|waiters| waiters.senders += 1);
        Self(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        wake(self.0.waiters.with(|waiters| {
            waiters.senders -= 1;
            match waiters.senders {
                0 => std::mem::take(&mut waiters.waiting),
                _ => Vec::new(),
            }
        }));
    }
}

pub struct Receiver<T> {
    channel: Arc<Channel<T>>,
    id: u64,
    seen: AtomicU64,
}

impl<T> Receiver<T> {
    fn of(channel: Arc<Channel<T>>, seen: Option<u64>) -> Self {
        let (id, version) = channel.waiters.with(|waiters| {
            waiters.receivers += 1;
            waiters.next_id += 1;
            (waiters.next_id, waiters.version)
        });
        Self { channel, id, seen: AtomicU64::new(seen.unwrap_or(version)) }
    }

    fn poll_changed(&self, context: &mut Context<'_>) -> Poll<Result<(), RecvError>> {
        self.channel.waiters.with(|waiters| {
            if waiters.version != self.seen.swap(waiters.version, Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
            if waiters.senders == 0 {
                return Poll::Ready(Err(RecvError(())));
            }
            let waker = context.waker().clone();
            match waiters.waiting.iter_mut().find(|(id, _)| *id == self.id) {
                Some((_, known)) => *known = waker,
                None => waiters.waiting.push((self.id, waker)),
            }
            Poll::Pending
        })
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self::of(self.channel.clone(), Some(self.seen.load(Ordering::Relaxed)))
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.channel.waiters.with(|waiters| {
            waiters.receivers -= 1;
            waiters.waiting.retain(|(id, _)| *id != self.id);
        });
    }
}

impl Watch for FifoWatch {
    type Sender<T: OptionalSend + OptionalSync> = Sender<T>;
    type Receiver<T: OptionalSend + OptionalSync> = Receiver<T>;
    type Ref<'a, T: OptionalSend + 'a> = Ref<'a, T>;

    fn channel<T: OptionalSend + OptionalSync>(init: T) -> (Sender<T>, Receiver<T>) {
        let waiters =
            Waiters { version: 0, senders: 1, receivers: 0, next_id: 0, waiting: Vec::new() };
        let channel = Arc::new(Channel { value: RwLock::new(init), waiters: Shared::new(waiters) });
        let receiver = Receiver::of(channel.clone(), None);
        (Sender(channel), receiver)
    }
}

impl<T: OptionalSend + OptionalSync> WatchSender<FifoWatch, T> for Sender<T> {
    fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.0.waiters.with(|waiters| waiters.receivers == 0) {
            return Err(SendError(value));
        }
        // What it replaces is dropped after the lock is let go of.
        let mut slot = self.0.value.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *slot, value);
        drop(slot);
        drop(before);
        self.0.changed();
        Ok(())
    }

    fn send_if_modified<F>(&self, modify: F) -> bool
    where
        F: FnOnce(&mut T) -> bool,
    {
        let modified = modify(&mut self.0.value.write().unwrap_or_else(PoisonError::into_inner));
        if modified {
            self.0.changed();
        }
        modified
    }

    fn borrow_watched(&self) -> Ref<'_, T> {
        self.0.borrow()
    }

    fn subscribe(&self) -> Receiver<T> {
        Receiver::of(self.0.clone(), None)
    }
}

impl<T: OptionalSend + OptionalSync> WatchReceiver<FifoWatch, T> for Receiver<T> {
    async fn changed(&mut self) -> Result<(), RecvError> {
        std::future::poll_fn(|context| self.poll_changed(context)).await
    }

    fn borrow_watched(&self) -> Ref<'_, T> {
        self.channel.borrow()
    }

    fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let seen = self.channel.borrow();
        self.seen.store(self.channel.version(), Ordering::Relaxed);
        seen
    }
}
