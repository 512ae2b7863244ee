//! openraft's async runtime for the simulation: one thread, virtual time, dice
//! from the seed, and every task in the group of the node that spawned it, so
//! that a crash ends all of them at once. It starts no thread and reads no
//! clock but the paused one.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use openraft_rt::{AsyncRuntime, OptionalSend};
use openraft_rt_tokio::{TokioInstant, TokioMpsc, TokioMutex, TokioOneshot, TokioRuntime};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::task::{AbortHandle, JoinError, JoinHandle};

use crate::dice::mix;
use crate::shared::Shared;
use crate::watch::FifoWatch;

/// Tells a task's own dice from those of the tasks it spawns.
const OWN: u64 = 1;
const CHILD: u64 = 2;
/// Finished tasks are let go of whenever the list has grown to this.
const SWEEP: usize = 128;

/// The tasks of one life of one node.
#[derive(Clone, Default)]
pub struct Group {
    tasks: Shared<Tasks>,
    panics: Arc<AtomicU64>,
}

#[derive(Default)]
struct Tasks {
    handles: Vec<AbortHandle>,
    sweep_at: usize,
    ended: bool,
}

/// Counts a task that panicked, as it is dropped.
struct Watched(Arc<AtomicU64>);

impl Drop for Watched {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What a task knows of itself.
struct Context {
    group: Group,
    seed: Cell<u64>,
}

tokio::task_local! {
    static CONTEXT: Context;
}

impl Group {
    /// Runs a task of this group. In a group that has ended it never starts.
    pub fn spawn<F>(&self, seed: u64, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let context = Context { group: self.clone(), seed: Cell::new(seed) };
        let watched = Watched(self.panics.clone());
        let task = CONTEXT.scope(context, async move {
            let _watched = watched;
            future.await
        });
        #[expect(clippy::disallowed_methods, reason = "the group owns the task and aborts it")]
        let handle = tokio::spawn(task);
        self.adopt(handle.abort_handle());
        handle
    }

    fn adopt(&self, task: AbortHandle) {
        self.tasks.with(|tasks| {
            if tasks.ended {
                return task.abort();
            }
            tasks.handles.push(task);
            if tasks.handles.len() >= tasks.sweep_at.max(SWEEP) {
                tasks.handles.retain(|task| !task.is_finished());
                tasks.sweep_at = tasks.handles.len() * 2;
            }
        });
    }

    /// Ends every task where it stands, as the loss of power does.
    pub fn crash(&self) {
        let handles = self.tasks.with(|tasks| {
            tasks.ended = true;
            std::mem::take(&mut tasks.handles)
        });
        handles.iter().for_each(AbortHandle::abort);
    }

    pub fn has_ended(&self) -> bool {
        self.tasks.with(|tasks| tasks.ended)
    }

    /// Tasks that panicked.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}

/// Draws from the current task's seed and moves it on.
fn draw(purpose: u64) -> u64 {
    CONTEXT.with(|context| {
        let seed = context.seed.get();
        context.seed.set(mix(seed, 0));
        mix(seed, purpose)
    })
}

/// See the module.
#[derive(Debug)]
pub struct SimRuntime {
    seed: u64,
    runtime: tokio::runtime::Runtime,
}

impl SimRuntime {
    /// A runtime whose clock stands still whenever something can be done.
    ///
    /// # Errors
    /// When the machine has no room for one.
    pub fn seeded(seed: u64) -> io::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build()?;
        Ok(Self { seed, runtime })
    }
}

impl AsyncRuntime for SimRuntime {
    type JoinError = JoinError;
    type JoinHandle<T: OptionalSend + 'static> = JoinHandle<T>;
    type Sleep = tokio::time::Sleep;
    type Instant = TokioInstant;
    type TimeoutError = tokio::time::error::Elapsed;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = tokio::time::Timeout<T>;
    type ThreadLocalRng = SmallRng;

    fn spawn<T>(future: T) -> JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        let seed = draw(CHILD);
        CONTEXT.with(|context| context.group.clone()).spawn(seed, future)
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        TokioRuntime::sleep(duration)
    }

    fn sleep_until(deadline: TokioInstant) -> Self::Sleep {
        TokioRuntime::sleep_until(deadline)
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(
        duration: Duration,
        future: F,
    ) -> Self::Timeout<R, F> {
        TokioRuntime::timeout(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(
        deadline: TokioInstant,
        future: F,
    ) -> Self::Timeout<R, F> {
        TokioRuntime::timeout_at(deadline, future)
    }

    fn is_panic(join_error: &JoinError) -> bool {
        join_error.is_panic()
    }

    fn thread_rng() -> SmallRng {
        SmallRng::seed_from_u64(draw(OWN))
    }

    type Mpsc = TokioMpsc;
    type Watch = FifoWatch;
    type Oneshot = TokioOneshot;
    type Mutex<T: OptionalSend + 'static> = TokioMutex<T>;

    #[expect(clippy::expect_used, reason = "the trait leaves no other way to say no")]
    fn new(_threads: usize) -> Self {
        Self::seeded(0).expect("a runtime of one thread")
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        let context = Context { group: Group::default(), seed: Cell::new(self.seed) };
        self.runtime.block_on(CONTEXT.scope(context, future))
    }

    /// Runs it at once: a thread would have a time of its own.
    fn spawn_blocking<F, T>(f: F) -> impl Future<Output = Result<T, io::Error>> + Send
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let done = f();
        async move { Ok(done) }
    }
}
