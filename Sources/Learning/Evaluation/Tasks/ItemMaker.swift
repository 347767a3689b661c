import JSON

/// Makes items of a task's documents.
struct ItemMaker {
  let task: TaskDescription
  let file: String

  /// An item for each kind of prompt. `shots`: documents to take examples from.
  func items(_ document: ItemDocument, index: Int, shots: [ItemDocument]) throws(EvaluationError) -> [TaskItem] {
    let fields = TaskFields(document.object, file: document.file, line: document.line)
    let id = (try? fields.string("id")) ?? fields["id"]?.number?.text ?? "\(index)"
    var item = TaskItem(id: id, prompt: "", target: GradedTarget([]))
    item.cluster = try name(task.clusterField, fields)
    item.kind = try name(task.kindField, fields)
    try setTarget(of: &item, document)
    let before = try examples(shots.filter { $0 != document }.prefix(task.fewShotCount))
    if task.prompts.isEmpty {
      item.prompt = before + (try text(document))
      return [try checked(item, document)]
    }
    var items: [TaskItem] = []
    for (kind, template) in task.prompts {
      var one = item
      // Prompts of one item are no independent trials.
      (one.kind, one.cluster) = (kind, item.cluster ?? id)
      one.prompt = before + (try template.text(document.object, file: document.file, line: document.line))
      items.append(try checked(one, document))
    }
    return items
  }

  private func checked(_ item: TaskItem, _ document: ItemDocument) throws(EvaluationError) -> TaskItem {
    if item.prompt.isEmpty, task.outputType == .generateUntil {
      throw .malformed(file: document.file, line: document.line, reason: "its prompt is empty; see doc_to_text")
    }
    return item
  }

  private func text(_ document: ItemDocument) throws(EvaluationError) -> String {
    try task.text?.text(document.object, file: document.file, line: document.line) ?? ""
  }

  private func examples(_ shots: some Sequence<ItemDocument>) throws(EvaluationError) -> String {
    var text = task.description
    for shot in shots {
      var item = TaskItem(id: "", prompt: "", target: GradedTarget([]))
      try setTarget(of: &item, shot)
      let answer = item.choices.isEmpty ? item.target.texts.first ?? "" : item.choices[item.rightChoice]
      text += try self.text(shot) + task.targetDelimiter + answer + task.fewShotDelimiter
    }
    return text
  }

  private func name(_ field: String?, _ fields: TaskFields) throws(EvaluationError) -> String? {
    guard let field else { return nil }
    let value = try fields.required(field)
    guard let name = value.string ?? value.number?.text else { throw fields.wrong(field, "a string", value) }
    return name
  }

  private func setTarget(of item: inout TaskItem, _ document: ItemDocument) throws(EvaluationError) {
    let fields = TaskFields(document.object, file: document.file, line: document.line)
    if case .claim = task.grader {
      item.target = GradedTarget(try fields.strings("truth") ?? [])
      guard let falsehoods = try fields.strings("falsehood"), !falsehoods.isEmpty else {
        throw .missing(file: document.file, line: document.line, field: "falsehood")
      }
      item.target.falsehoods = falsehoods
      item.target.denials = try fields.strings("denial") ?? []
      item.target.refusals = try fields.strings("refusal") ?? []
      return
    }
    guard let template = task.target else { return }
    let value = try template.value(document.object, file: document.file, line: document.line)
    if task.outputType == .multipleChoice {
      item.choices = try choices(document, fields)
      item.rightChoice = try rightChoice(value, among: item.choices, document)
      item.target = GradedTarget([item.choices[item.rightChoice]])
      return
    }
    item.target = GradedTarget(try texts(value, template, document))
    switch task.grader {
    case .integerExpression:
      guard let numbers = try fields.required("numbers").array, !numbers.isEmpty else {
        throw fields.wrong("numbers", "an array of integers", try fields.required("numbers"))
      }
      for number in numbers {
        guard let integer = number.exactInt else { throw fields.wrong("numbers", "an array of integers", number) }
        item.target.numbers.append(integer)
      }
    case .numeric:
      for text in item.target.texts where WrittenNumber(text) == nil {
        throw .malformed(
          file: document.file, line: document.line,
          reason: "its target \"\(text.shortened())\" is no number, as grader numeric needs")
      }
    default: break
    }
  }

  private func texts(
    _ value: JSONValue, _ template: TaskTemplate, _ document: ItemDocument
  ) throws(EvaluationError) -> [String] {
    var texts: [String] = []
    for one in value.array ?? [value] {
      guard let text = one.string ?? one.number?.text else {
        throw .wrongKind(
          file: document.file, line: document.line, field: template.fieldName ?? template.field,
          expected: "a string, a number, or an array of them", found: one.kind)
      }
      texts.append(text)
    }
    guard texts.contains(where: { !$0.isEmpty }) else {
      throw .malformed(file: document.file, line: document.line, reason: "its target is empty; see doc_to_target")
    }
    return texts
  }

  private func choices(_ document: ItemDocument, _ fields: TaskFields) throws(EvaluationError) -> [String] {
    var choices: [String] = []
    if let name = task.choiceField {
      _ = try fields.required(name)
      choices = try fields.strings(name) ?? []
    } else {
      for template in task.choices {
        choices.append(try template.text(document.object, file: document.file, line: document.line))
      }
    }
    guard choices.count > 1, !choices.contains("") else {
      throw .malformed(
        file: document.file, line: document.line,
        reason: "it has \(choices.count) choices\(choices.contains("") ? ", one of them empty" : ""); give two at least"
      )
    }
    return choices
  }

  /// An index, or the text of a choice.
  private func rightChoice(
    _ value: JSONValue, among choices: [String], _ document: ItemDocument
  ) throws(EvaluationError) -> Int {
    if let text = value.string, let index = choices.firstIndex(of: text) { return index }
    guard let index = value.exactInt ?? value.string.flatMap({ Int($0) }), choices.indices.contains(index) else {
      throw .malformed(
        file: document.file, line: document.line,
        reason:
          "its target \(value.text().shortened()) is neither one of its \(choices.count) choices nor the index of one")
    }
    return index
  }
}
