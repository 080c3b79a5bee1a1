//! Captures: deliveries with the calls they led to and their response, in files that hold no secret and become tests.

mod content;
mod diff;
mod file;
mod keyring;
mod recording;
mod redaction;
pub(crate) mod replay;
#[cfg(test)]
mod tests;

pub use self::{
    content::{CapturedCall, CapturedResponse, Content},
    file::{Capture, CaptureError, Leak},
    keyring::Keyring,
    recording::Recording,
    redaction::escaped,
};
