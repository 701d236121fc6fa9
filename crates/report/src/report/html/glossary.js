// What STaR is, and the words of the page.

const aboutStar = [
  "STaR (Self-Taught Reasoner, Zelikman et al. 2022) teaches a language model to reason from its own right answers.",
  "In each iteration the model writes a rationale for every training problem; a failed problem is tried again with the answer as a hint.",
  "The untrained model is then fine-tuned on the rationales that reached the known answer, without the hints, and the result is measured on other problems.",
];

const glossary = [
  ["untrained model", "the pretrained model before any fine-tuning; iteration 0"],
  ["worked example", "a solved problem in the prompt, before the problem to solve"],
  ["rationale", "the steps that lead to an answer"],
  ["without hint, with hint", "the prompt did not hold, or held, the known answer"],
  ["rationalization", "a rationale that was written with the hint"],
  ["right", "the final answer equals the known answer; the steps are not judged"],
  ["right answer, wrong steps", "the answer is right, and a check of the steps found a false one"],
  ["not checked", "the rationale has no step that can be checked"],
  ["cut off", "the token limit ended the text before an answer"],
  ["learned", "the model is trained on the rationale"],
  ["evaluation only", "the answer measures accuracy and is never learned"],
  ["gained, lost", "problems that are right now and were wrong before, and the reverse"],
  ["McNemar p", "the probability of a difference at least as large if gaining and losing were equally likely"],
  ["biased upwards", "the best of several figures is chosen, so it is too high on average"],
];

const glossarySection = () => element("details", { id: "glossary" }, element("summary", {}, "What is STaR, and what do the words mean?"),
  aboutStar.map((sentence) => element("p", {}, sentence)),
  element("dl", {}, glossary.map(([word, meaning]) => [element("dt", {}, word), element("dd", {}, meaning)])));
