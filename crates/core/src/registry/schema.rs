//! The JSON schema of a config, for editors. `schema.json` is this module's output, made by `examples/schema.rs`.
//!
//! The schema describes the kinds that this project ships. A test compares its keys with those that the reader accepts.

use crate::config::{
    EvaluationConfig, ModelConfig, RecordConfig, SamplingConfig, SelectionConfig, ServingConfig, TrainerConfig, TrainingConfig,
};
use crate::method::{AdaStar, BStar, Direct, FewShot, Grpo, PartialHints, RestEm, Rft, SelfTraining, Spin, Star, VStar};
use crate::task::arithmetic::ArithmeticConfig;
use crate::task::commonsense_qa::CommonsenseQaConfig;
use crate::task::gsm8k::Gsm8kConfig;
use crate::task::jsonl::JsonlConfig;
use crate::task::word_problems::WordProblemsConfig;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// The value of `kind`, and the schema of its settings.
type SectionSchema = (&'static str, fn(&mut SchemaGenerator) -> Schema);

const TASKS: &[SectionSchema] = &[
    ("arithmetic", ArithmeticConfig::json_schema),
    ("commonsense_qa", CommonsenseQaConfig::json_schema),
    ("gsm8k", Gsm8kConfig::json_schema),
    ("word_problems", WordProblemsConfig::json_schema),
    ("jsonl", JsonlConfig::json_schema),
];

const METHODS: &[SectionSchema] = &[
    ("few_shot", FewShot::json_schema),
    ("direct", Direct::json_schema),
    ("star", Star::json_schema),
    ("self_training", SelfTraining::json_schema),
    ("partial_hints", PartialHints::json_schema),
    ("rft", Rft::json_schema),
    ("rest_em", RestEm::json_schema),
    ("adastar", AdaStar::json_schema),
    ("b_star", BStar::json_schema),
    ("v_star", VStar::json_schema),
    ("spin", Spin::json_schema),
    ("grpo", Grpo::json_schema),
];

const POLICIES: &[SectionSchema] =
    &[("embedded", |_| json_schema!({ "type": "object", "additionalProperties": false })), ("openai", ServingConfig::json_schema)];

/// An experiment of starloop. The methods, the task, the model and their settings.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct ExperimentSchema {
    /// The name of the run. Its directory is `runs/NAME` by default.
    name: String,
    /// The seed that all others are made from. The default is 1.
    seed: Option<u64>,
    /// The experiment is run once with each of these seeds, each in its own directory.
    seeds: Option<Vec<u64>>,
    /// The names of the methods to run, in order. Each has a section `[methods.NAME]`.
    run: Vec<String>,
    /// The method that reports state first.
    main: Option<String>,
    /// The pretrained model.
    model: ModelConfig,
    /// The policy, which samples. The default is this process.
    #[schemars(default, schema_with = "policy")]
    policy: Option<()>,
    /// The problems.
    #[schemars(schema_with = "task")]
    task: (),
    /// Sampling, for all methods.
    sampling: Option<SamplingConfig>,
    /// Selection, for all methods.
    selection: Option<SelectionConfig>,
    /// Fine-tuning, for all methods.
    training: Option<TrainingConfig>,
    /// The trainer, which fine-tunes. The default is this process.
    trainer: Option<TrainerConfig>,
    /// Measuring, for all methods.
    evaluation: Option<EvaluationConfig>,
    /// The data that the run records of each attempt.
    record: Option<RecordConfig>,
    /// `[methods.NAME]`: the kind, its settings, and sections that override the common ones.
    #[schemars(schema_with = "methods")]
    methods: (),
}

/// The JSON schema (draft 7) of a config.
pub fn schema() -> Value {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<ExperimentSchema>().to_value()
}

fn policy(generator: &mut SchemaGenerator) -> Schema {
    one_of(POLICIES, &[], generator)
}

fn task(generator: &mut SchemaGenerator) -> Schema {
    one_of(TASKS, &[], generator)
}

fn methods(generator: &mut SchemaGenerator) -> Schema {
    let sections = [
        ("sampling", generator.subschema_for::<SamplingConfig>()),
        ("selection", generator.subschema_for::<SelectionConfig>()),
        ("training", generator.subschema_for::<TrainingConfig>()),
        ("evaluation", generator.subschema_for::<EvaluationConfig>()),
    ];
    let method = one_of(METHODS, &sections, generator);
    json_schema!({ "type": "object", "additionalProperties": method })
}

/// A table whose `kind` selects its other keys. Each kind also has these `sections`.
fn one_of(kinds: &[SectionSchema], sections: &[(&str, Schema)], generator: &mut SchemaGenerator) -> Schema {
    let tables: Vec<Schema> = kinds
        .iter()
        .map(|(kind, settings)| {
            let mut table = settings(generator);
            let mut properties = table.get("properties").cloned().unwrap_or_else(|| json!({}));
            properties["kind"] = json!({ "const": kind });
            for (section, schema) in sections {
                properties[*section] = schema.clone().to_value();
            }
            table.insert("properties".to_owned(), properties);
            table.insert("required".to_owned(), json!(["kind"]));
            table
        })
        .collect();
    json_schema!({ "oneOf": tables })
}
