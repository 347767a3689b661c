import JSON

extension TaskDescription {
  static let fields = [
    "task", "version", "license", "source", "description", "dataset", "fewshot_dataset", "generator", "doc_to_text",
    "doc_to_target", "doc_to_choice", "output_type", "num_fewshot", "fewshot_delimiter", "target_delimiter",
    "generation_kwargs", "repeats", "filter_list", "metric_list", "grader", "outcomes", "cluster", "prompt_kind",
    "prompts",
  ]

  /// Reads `task.json`, which `file` names.
  init(_ value: JSONValue, file: String) throws(EvaluationError) {
    guard let object = value.object else {
      throw .malformed(file: file, line: nil, reason: "it is \(value.kind) where an object should be")
    }
    let fields = TaskFields(object, file: file)
    try fields.allow(Self.fields)
    guard let name = try fields.string("task"), !name.isEmpty else {
      throw .missing(file: file, line: nil, field: "task")
    }
    self.name = name
    let number = fields["version"]?.number?.text
    if let number { version = number } else { version = try fields.string("version") ?? "1" }
    license = try fields.string("license")
    source = try fields.string("source")
    description = try fields.string("description") ?? ""
    outputType = try fields.choice("output_type", of: OutputType.self) ?? .generateUntil
    fewShotCount = try fields.integer("num_fewshot", in: 0...1000) ?? 0
    fewShotDelimiter = try fields.string("fewshot_delimiter") ?? "\n\n"
    targetDelimiter = try fields.string("target_delimiter") ?? " "
    generation = try GenerationSettings(fields)
    repeats = try fields.integer("repeats", in: 1...10_000) ?? 1
    (filter, selection) = try AnswerFilter.read(fields)
    grader = try Grader.read(fields, outputType: outputType)
    outcomeNames = try Self.outcomes(fields)
    clusterField = try fields.string("cluster")
    kindField = try fields.string("prompt_kind")
    dataset = try Self.fileName("dataset", fields) ?? "items.jsonl"
    fewShotDataset = try Self.fileName("fewshot_dataset", fields)
    generator = try fields["generator"].map { value throws(EvaluationError) in
      try GeneratorDescription(TaskFields(value, file: file, path: "generator"))
    }
    prompts = try Self.prompts(fields)
    text = try Self.template("doc_to_text", fields)
    target = try Self.template("doc_to_target", fields)
    (choices, choiceField) = try Self.choices(fields)
    try check(fields)
  }

  /// What only several fields together can tell.
  private func check(_ fields: TaskFields) throws(EvaluationError) {
    let file = fields.file
    if outputType == .multipleChoice, choices.isEmpty, choiceField == nil {
      throw .fields(
        file: file,
        reason: "a task of multiple_choice needs doc_to_choice; name the field with an item's choices, or list them")
    }
    if outputType != .multipleChoice, !choices.isEmpty || choiceField != nil {
      throw .fields(file: file, reason: "doc_to_choice belongs to output_type multiple_choice; remove one of them")
    }
    let isClaim = if case .claim = grader { true } else { false }
    guard target != nil || isClaim else { throw .missing(file: file, line: nil, field: "doc_to_target") }
    guard text != nil || !prompts.isEmpty || outputType == .rollingLikelihood else {
      throw .missing(file: file, line: nil, field: "doc_to_text")
    }
    if text != nil, !prompts.isEmpty {
      throw .fields(file: file, reason: "prompts and doc_to_text are two ways of the same; give one")
    }
    if !prompts.isEmpty, kindField != nil {
      throw .fields(file: file, reason: "prompts name the kinds of prompt themselves; remove prompt_kind")
    }
    if outputType != .generateUntil, repeats > 1 {
      throw .fields(file: file, reason: "repeats of \(outputType.rawValue) are all the same; remove them")
    }
    if repeats > 1, generation.temperature == 0 {
      throw .fields(
        file: file,
        reason: "\(repeats) repeats at temperature 0 are all the same; set generation_kwargs.temperature above 0")
    }
    if generator != nil, fields["dataset"] != nil {
      throw .fields(file: file, reason: "dataset and generator are two sources of items; give one")
    }
  }

  private static func fileName(_ name: String, _ fields: TaskFields) throws(EvaluationError) -> String? {
    guard let file = try fields.string(name) else { return nil }
    guard !file.isEmpty, !file.contains("/"), !file.utf8.contains(0) else {
      throw .fields(file: fields.file, reason: "\(name) must be the name of a file beside it, not \"\(file)\"")
    }
    return file
  }

  private static func template(_ name: String, _ fields: TaskFields) throws(EvaluationError) -> TaskTemplate? {
    guard let source = try fields.string(name) else { return nil }
    return try TaskTemplate(source, field: name, file: fields.file)
  }

  private static func prompts(
    _ fields: TaskFields
  ) throws(EvaluationError) -> [(kind: String, template: TaskTemplate)] {
    guard let value = fields["prompts"] else { return [] }
    let kinds = try TaskFields(value, file: fields.file, path: "prompts")
    guard kinds.object.count > 0 else {
      throw .fields(file: fields.file, reason: "prompts has no kinds; give a template by the name of each")
    }
    var prompts: [(kind: String, template: TaskTemplate)] = []
    for kind in kinds.object.keys {
      guard let source = try kinds.string(kind) else {
        throw .missing(file: fields.file, line: nil, field: "prompts.\(kind)")
      }
      prompts.append((kind, try TaskTemplate(source, field: "prompts.\(kind)", file: fields.file)))
    }
    return prompts
  }

  private static func choices(_ fields: TaskFields) throws(EvaluationError) -> ([TaskTemplate], String?) {
    guard let value = fields["doc_to_choice"] else { return ([], nil) }
    if let name = value.string { return ([], name) }
    guard let values = value.array else {
      throw fields.wrong("doc_to_choice", "the name of a field, or an array of texts", value)
    }
    var choices: [TaskTemplate] = []
    for (i, value) in values.enumerated() {
      guard let source = value.string else { throw fields.wrong("doc_to_choice[\(i)]", "a string", value) }
      choices.append(try TaskTemplate(source, field: "doc_to_choice[\(i)]", file: fields.file, mayBeName: false))
    }
    guard choices.count > 1 else {
      throw .fields(file: fields.file, reason: "doc_to_choice has \(choices.count) choices; give two at least")
    }
    return (choices, nil)
  }

  private static func outcomes(_ fields: TaskFields) throws(EvaluationError) -> [Outcome: String] {
    guard let value = fields["outcomes"] else { return [:] }
    let names = try TaskFields(value, file: fields.file, path: "outcomes")
    try names.allow(Outcome.allCases.map(\.rawValue))
    var found: [Outcome: String] = [:]
    for outcome in Outcome.allCases { found[outcome] = try names.string(outcome.rawValue) }
    return found
  }
}
