import JSON
import Telemetry

extension TrainingHistory {
  /// What is told of reinforcement learning; nil of other trainings.
  var policyJSON: JSONValue? {
    guard hasPolicy else { return nil }
    func number(_ value: Double?) -> JSONValue { value.flatMap { JSONNumber(Float($0)) }.map { .number($0) } ?? .null }
    func columns(_ span: (PolicySteps) -> PolicySteps.Span?) -> JSONValue {
      let spans = bins.map { span($0.policy) }
      return [
        "mean": .array(spans.map { number($0?.mean) }), "least": .array(spans.map { number($0?.least) }),
        "most": .array(spans.map { number($0?.most) }), "steps": .array(spans.map { .int($0?.steps ?? 0) }),
      ]
    }
    let told = PolicyMetric.allCases.filter { metric in bins.contains { $0.policy.metrics[metric] != nil } }
    return [
      "metrics": .object(JSONObject(told.map { metric in (metric.name, columns { $0.metrics[metric] }) })),
      "parts": .object(JSONObject(partNames.map { name in (name, columns { $0.parts[name] }) })),
      "completions": .object(
        JSONObject(
          PolicyStep.Completions.fields.map { name, field in
            (name, .array(bins.map { .int($0.policy.completions[keyPath: field]) }))
          })),
      "held_out": .array(
        accuracies.map { ["step": .int($0.step), "right": .int($0.right), "count": .int($0.count)] }),
      "transcripts": .array(transcripts.map(\.json)),
    ]
  }

  /// Reads what `policyJSON` wrote into the bins that are there.
  mutating func readPolicy(_ json: JSONValue) throws(MalformedAccount) {
    for (name, field) in PolicyStep.Completions.fields {
      let numbers = try whole(json["completions"]?[name], name, below: { _ in PolicyStep.Completions.limit })
      for i in bins.indices { bins[i].policy.completions[keyPath: field] = numbers[i] }
    }
    guard bins.allSatisfy({ $0.policy.completions == $0.policy.completions.possible }) else {
      throw MalformedAccount(reason: "more completions are right than there are")
    }
    for metric in PolicyMetric.allCases {
      guard let columns = json["metrics"]?[metric.name] else { continue }
      for (i, span) in try spans(columns, metric.name).enumerated() { bins[i].policy.metrics[metric] = span }
    }
    for (name, columns) in json["parts"]?.object.map({ Array($0.members) }) ?? [] {
      guard name == PolicySteps.name(name), !partNames.contains(name), partNames.count < PolicySteps.partLimit else {
        throw MalformedAccount(reason: "its rewards have too many parts, or too long names")
      }
      partNames.append(name)
      for (i, span) in try spans(columns, name).enumerated() { bins[i].policy.parts[name] = span }
    }
    let (scores, texts) = (json["held_out"]?.array ?? [], json["transcripts"]?.array ?? [])
    guard scores.count <= Self.listLimit, texts.count <= Self.transcriptLimit else {
      throw MalformedAccount(reason: "it is too long")
    }
    for score in scores {
      let accuracy = HeldOutAccuracy(
        step: try score.count("step", below: Self.stepLimit),
        right: try score.count("right", below: PolicyStep.Completions.limit),
        count: try score.count("count", below: PolicyStep.Completions.limit))
      guard accuracy.step > 0, accuracy.count > 0, accuracy.right <= accuracy.count else {
        throw MalformedAccount(reason: "a held-out accuracy is none")
      }
      accuracies.append(accuracy)
    }
    for text in texts { transcripts.append(try Transcript(json: text)) }
    guard zip(transcripts, transcripts.dropFirst()).allSatisfy({ $0.step <= $1.step }) else {
      throw MalformedAccount(reason: "its transcripts do not follow each other")
    }
  }

  /// A whole number for each bin.
  private func whole(_ json: JSONValue?, _ name: String, below limit: (Bin) -> Int) throws(MalformedAccount) -> [Int] {
    let numbers = json?.array?.map { $0.exactInt ?? -1 } ?? []
    guard numbers.count == bins.count, zip(numbers, bins).allSatisfy({ (0..<limit($1)).contains($0) }) else {
      throw MalformedAccount(reason: "\"\(name)\" has not a whole number for each bin")
    }
    return numbers
  }

  private func spans(_ json: JSONValue, _ name: String) throws(MalformedAccount) -> [PolicySteps.Span?] {
    let steps = try whole(json["steps"], name, below: { $0.steps + 1 })
    let columns = ["mean", "least", "most"].map { part in
      (json[part]?.array ?? []).compactMap { $0.isNull ? .nan : $0.double }
    }
    guard columns.allSatisfy({ $0.count == bins.count }) else {
      throw MalformedAccount(reason: "\"\(name)\" has not a number for each bin")
    }
    return bins.indices.map { i in
      let values = columns.map { $0[i] }
      guard steps[i] > 0, values.allSatisfy(\.isFinite) else { return nil }
      return PolicySteps.Span(steps: steps[i], mean: values[0], least: values[1], most: values[2])
    }
  }
}
