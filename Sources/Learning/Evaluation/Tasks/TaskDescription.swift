/// What `task.json` says. Fields are named as lm-evaluation-harness names those that mean the same.
package struct TaskDescription: Sendable {
  package enum OutputType: String, Sendable, CaseIterable {
    /// Continue a prompt up to one of some strings.
    case generateUntil = "generate_until"
    /// How probable each of some continuations is.
    case multipleChoice = "multiple_choice"
    /// How probable one continuation is, and whether each of its tokens is the most probable one.
    case likelihood = "loglikelihood"
    /// How probable a text is.
    case rollingLikelihood = "loglikelihood_rolling"
  }

  /// Of several answers to an item: which counts.
  package enum Selection: String, Sendable, CaseIterable {
    case all
    case first = "take_first"
    case majority = "majority_vote"
  }

  package var name: String
  package var version: String
  package var license: String?
  /// Where items come from, in words.
  package var source: String?
  /// Stands before every prompt.
  package var description: String
  package var outputType: OutputType
  package var fewShotCount: Int
  package var fewShotDelimiter: String
  package var targetDelimiter: String
  package var generation: GenerationSettings
  /// Answers to each item.
  package var repeats: Int
  package var selection: Selection
  package var filter: AnswerFilter?
  package var grader: Grader
  /// The grader's name; `likelihood` where there is no answer to grade.
  package var graderName: String {
    outputType == .rollingLikelihood || outputType == .likelihood ? "likelihood" : grader.name
  }
  /// What outcomes are called: `right`: `debunked`.
  package var outcomeNames: [Outcome: String]
  var text: TaskTemplate?
  var target: TaskTemplate?
  var choices: [TaskTemplate]
  /// A field with an array of choices.
  var choiceField: String?
  /// Prompts of different kinds that are made of each item, in order.
  var prompts: [(kind: String, template: TaskTemplate)]
  /// Fields of an item that name its cluster and the kind of its prompt.
  var clusterField: String?
  var kindField: String?
  var dataset: String
  var fewShotDataset: String?
  var generator: GeneratorDescription?
}

/// How answers are sampled.
package struct GenerationSettings: Sendable, Equatable {
  package var maxNewTokens = 256
  /// 0 takes the most probable token.
  package var temperature = 0.0
  package var topP = 1.0
  /// 0 keeps all.
  package var topK = 0
  /// An answer ends before any of these.
  package var until: [String] = []
  package init() {}
}

/// What of an answer the grader gets: lm-evaluation-harness' filter `regex`.
package struct AnswerFilter: Sendable, Equatable {
  package let pattern: AnswerPattern
  /// Which match: 0 the first, −1 the last.
  package let selection: Int

  /// The match, or in words why there is none.
  func apply(_ text: Substring) -> (text: String?, rule: String) {
    let (matches, gap) = pattern.search(text)
    let index = selection < 0 ? matches.count + selection : selection
    // What would be found last is not known of a part.
    guard gap == nil || selection >= 0, matches.indices.contains(index) else {
      return (nil, gap ?? "filter found nothing")
    }
    return (matches[index], "filter")
  }
}
