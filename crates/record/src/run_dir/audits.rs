//! `METHOD/audit/`: what audits found after a run. Each file is written whole. No stage of a run reads them.

use super::RunDir;
use super::files::{read_json, write_json};
use crate::error::Result;
use crate::metrics::audits::{Audit, Audits};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::PathBuf;

/// The name of an audit's file, without its ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditFile {
    /// [`Audits::hint_reliance`].
    HintReliance,
    /// [`Audits::wrong_hint`].
    WrongHint,
    /// [`Audits::early_answers`].
    EarlyAnswers,
    /// [`Audits::mistake_propagation`].
    MistakePropagation,
    /// [`Audits::true_steps`].
    TrueSteps,
    /// [`Audits::sharpening`].
    Sharpening,
}

impl AuditFile {
    /// The name in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            AuditFile::HintReliance => "hint-reliance",
            AuditFile::WrongHint => "wrong-hint",
            AuditFile::EarlyAnswers => "early-answers",
            AuditFile::MistakePropagation => "mistake-propagation",
            AuditFile::TrueSteps => "true-steps",
            AuditFile::Sharpening => "sharpening",
        }
    }
}

impl RunDir {
    fn audit_path(&self, method: &str, file: AuditFile) -> PathBuf {
        self.root().join(method).join("audit").join(format!("{}.json", file.name()))
    }

    /// Reads an audit of a method, if it is there.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn method_audit<T: DeserializeOwned>(&self, method: &str, file: AuditFile) -> Result<Option<Audit<T>>> {
        read_json(&self.audit_path(method, file))
    }

    /// Writes an audit of a method.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_method_audit<T: Serialize>(&self, method: &str, file: AuditFile, audit: &Audit<T>) -> Result<()> {
        write_json(&self.audit_path(method, file), audit)
    }

    /// Reads all audits of a method that are there.
    ///
    /// # Errors
    /// A file is damaged.
    pub fn method_audits(&self, method: &str) -> Result<Audits> {
        Ok(Audits {
            hint_reliance: self.method_audit(method, AuditFile::HintReliance)?,
            wrong_hint: self.method_audit(method, AuditFile::WrongHint)?,
            early_answers: self.method_audit(method, AuditFile::EarlyAnswers)?,
            mistake_propagation: self.method_audit(method, AuditFile::MistakePropagation)?,
            true_steps: self.method_audit(method, AuditFile::TrueSteps)?,
            sharpening: self.method_audit(method, AuditFile::Sharpening)?,
        })
    }
}
