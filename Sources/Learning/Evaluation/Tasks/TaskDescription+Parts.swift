import JSON

extension GenerationSettings {
  /// Reads `generation_kwargs`.
  init(_ task: TaskFields) throws(EvaluationError) {
    self.init()
    guard let value = task["generation_kwargs"] else { return }
    let fields = try TaskFields(value, file: task.file, path: "generation_kwargs")
    try fields.allow(["temperature", "max_gen_toks", "until", "do_sample", "top_p", "top_k"])
    maxNewTokens = try fields.integer("max_gen_toks", in: 1...(1 << 20)) ?? maxNewTokens
    let isSampled = try fields.bool("do_sample")
    temperature = try fields.number("temperature", in: 0...100) ?? (isSampled == true ? 1 : 0)
    if isSampled == false { temperature = 0 }
    topP = try fields.number("top_p", in: 0...1) ?? topP
    topK = try fields.integer("top_k", in: 0...Int(Int32.max)) ?? topK
    until = try fields.strings("until") ?? until
    guard !until.contains("") else {
      throw .fields(file: task.file, reason: "generation_kwargs.until has an empty text; every answer would end at it")
    }
  }
}

extension AnswerFilter {
  private static let functions = ["regex", "take_first", "majority_vote"]

  /// Reads `filter_list`: one pipeline of regex, take_first and majority_vote, in lm-evaluation-harness' form or
  /// without the name around it.
  static func read(_ task: TaskFields) throws(EvaluationError) -> (AnswerFilter?, TaskDescription.Selection) {
    guard let value = task["filter_list"] else { return (nil, .all) }
    guard var steps = value.array else { throw task.wrong("filter_list", "an array", value) }
    if let first = steps.first, first["filter"] != nil {
      guard steps.count == 1, let inner = first["filter"]?.array else {
        throw .fields(file: task.file, reason: "filter_list has \(steps.count) pipelines; give one")
      }
      try TaskFields(first, file: task.file, path: "filter_list[0]").allow(["name", "filter"])
      steps = inner
    }
    var filter: AnswerFilter?
    var selection = TaskDescription.Selection.all
    for (i, step) in steps.enumerated() {
      let fields = try TaskFields(step, file: task.file, path: "filter_list[\(i)]")
      let function = try fields.string("function") ?? ""
      switch function {
      case "regex":
        try fields.allow(["function", "regex_pattern", "group_select", "group"])
        let source = try fields.string("regex_pattern") ?? "(-?[0-9.,]{2,})|(-?[0-9]+)"
        do throws(PatternFailure) {
          let pattern = try AnswerPattern(source, group: try Self.group(fields))
          filter = AnswerFilter(
            pattern: pattern, selection: (try? fields.integer("group_select", in: -1000...1000)) ?? 0)
        } catch { throw .fields(file: task.file, reason: "\(fields.path("regex_pattern")): \(error)") }
      case "take_first":
        try fields.allow(["function"])
        selection = .first
      case "majority_vote":
        try fields.allow(["function"])
        selection = .majority
      default:
        throw .unknownName(file: task.file, field: fields.path("function"), name: function, known: functions)
      }
    }
    return (filter, selection)
  }

  /// The group asked for; else, as lm-evaluation-harness has it, the first group where the pattern has one.
  private static func group(_ fields: TaskFields) throws(PatternFailure) -> Int {
    if let group = try? fields.integer("group", in: 0...100) { return group }
    guard let source = try? fields.string("regex_pattern") else { return 0 }
    return (try? AnswerPattern(source, group: 1)) == nil ? 0 : 1
  }
}

extension Grader {
  /// Reads `grader`: a name, or an object with the name and what it needs.
  static func read(_ task: TaskFields, outputType: TaskDescription.OutputType) throws(EvaluationError) -> Grader {
    try metrics(task)
    let isChoice = outputType == .multipleChoice
    guard let value = task["grader"] else { return isChoice ? .choice : .exact }
    let object: JSONValue = value.string == nil ? value : .object(JSONObject([("name", value)]))
    let fields = try TaskFields(object, file: task.file, path: "grader")
    guard let name = try fields.string("name") else { throw .missing(file: task.file, line: nil, field: "grader.name") }
    guard (name == "choice") == isChoice || !names.contains(name) else {
      throw .fields(
        file: task.file,
        reason: isChoice
          ? "output_type multiple_choice is graded by choice, not by \(name); remove grader"
          : "grader choice needs output_type multiple_choice")
    }
    switch name {
    case "exact", "choice", "contains", "integer-expression":
      try fields.allow(["name"])
      return name == "exact" ? .exact : name == "choice" ? .choice : name == "contains" ? .contains : .integerExpression
    case "numeric":
      try fields.allow(["name", "tolerance"])
      return .numeric(tolerance: try fields.number("tolerance", in: 0...1e300) ?? 0)
    case "regex":
      try fields.allow(["name", "pattern", "group"])
      guard let source = try fields.string("pattern") else {
        throw .missing(file: task.file, line: nil, field: "grader.pattern")
      }
      let group = try fields.integer("group", in: 0...100) ?? 0
      do throws(PatternFailure) { return .regex(try AnswerPattern(source, group: group)) } catch {
        throw .fields(file: task.file, reason: "grader.pattern: \(error)")
      }
    case "claim":
      try fields.allow(["name", "denial", "refusal", "window"])
      return .claim(
        ClaimWords(
          denials: ClaimWords.denials + (try fields.strings("denial") ?? []),
          refusals: ClaimWords.refusals + (try fields.strings("refusal") ?? []),
          window: try fields.integer("window", in: 0...100) ?? 6))
    case "judge":
      try fields.allow(["name", "rubric"])
      return .judge(rubric: try fields.string("rubric") ?? "The answer is right if it says what the reference says.")
    default: throw .unknownName(file: task.file, field: "grader", name: name, known: names)
    }
  }

  private static let metricNames = [
    "exact_match", "acc", "acc_norm", "acc_bytes", "perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte",
  ]

  /// All metrics that a task's output allows are told; what `metric_list` names must be among them.
  private static func metrics(_ task: TaskFields) throws(EvaluationError) {
    guard let value = task["metric_list"] else { return }
    guard let list = value.array else { throw task.wrong("metric_list", "an array", value) }
    for (i, metric) in list.enumerated() {
      let fields = try TaskFields(metric, file: task.file, path: "metric_list[\(i)]")
      try fields.allow(["metric", "aggregation", "higher_is_better", "ignore_case", "ignore_punctuation"])
      let name = try fields.string("metric") ?? ""
      guard metricNames.contains(name) else {
        throw .unknownName(file: task.file, field: fields.path("metric"), name: name, known: metricNames)
      }
    }
  }
}
