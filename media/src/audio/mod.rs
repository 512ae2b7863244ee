//! From a text or a recording to what a loudspeaker plays: rendered once by a
//! worker process, staged at every node by its hash, played frame by frame.
//! Nothing here decodes a foreign format in this process, and a file that is not
//! what its name says is never served.

mod chunk;
mod clip;
mod library;
mod render;
mod script;
mod siren;
mod speech;
mod staged;
mod wave;
mod worker;

#[cfg(test)]
mod tests;

pub use chunk::{CHUNK_BYTES, Partial, PartialError};
pub use clip::{Clip, FRAME_BYTES, FRAME_MS};
pub use library::{GetError, Library, OpenError, PutError, hash_of};
pub use render::{
    RenderError, Rendered, Renderer, RendererConfig, RendererLimits, Source, StartError,
};
pub use siren::siren;
pub use speech::{EspeakNg, Speech, TtsEngine, TtsError};
pub use staged::{FILE_MAX_BYTES, Staged, StagedError, pack, parse};
