//! What a run will cost, asked from the outside.

use crate::program::starloop;

#[test]
fn a_plan_needs_neither_weights_nor_data() {
    let plan = |more: &[&str]| starloop("plan gsm8k --no-measurement --set run=[\"star\"]", more);
    let out = plan(&["--json", "--accelerator", "h100", "--simulate", "--trial", "trials=2"]).json();
    assert_eq!(out["plan"]["model"]["parameters"], 6_050_882_784_u64);
    let way = &out["plan"]["methods"][0]["ways"][0];
    assert!(way["training_hours"].as_f64().is_some_and(|hours| hours > 0.0) && way["simulated"]["sampling_hours"]["mean"].is_number());
    let shown = plan(&["--devices", "4"]).done();
    for words in
        ["6050882784 parameters; the published shape of gpt-j-6b", "4 x H100", "4 x A100", "training_share = 0.35", "80 GB at 3350 GB/s"]
    {
        assert!(shown.contains(words), "no {words:?} in {shown}");
    }
    plan(&["--assume", "training_shar=1"]).failed(2, &["unknown field `training_shar`"]);
    plan(&["--accelerator", "V100"]).failed(2, &["there are H100, H200, A100"]);
    plan(&["--shape", "/nowhere/config.json"]).failed(1, &["/nowhere/config.json"]);
}
