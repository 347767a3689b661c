import JSON
import Telemetry

extension TrainingHistory {
  /// Metrics in the digits that fp32 has: it is for plots.
  package var json: JSONValue {
    func number(_ value: Double) -> JSONValue { .float(Float(value)) }
    func column(_ metric: TrainingMetric, _ values: (Bin) -> [Double]) -> JSONValue {
      .array(bins.map { number(values($0)[metric.rawValue]) })
    }
    var metrics = JSONObject()
    for metric in TrainingMetric.allCases {
      metrics[metric.name] = [
        "mean": column(metric, \.mean), "least": column(metric, \.least), "most": column(metric, \.most),
      ]
    }
    let json: JSONValue = [
      "bin_steps": .int(binWidth), "first_step": .array(bins.map { .int($0.first) }),
      "last_step": .array(bins.map { .int($0.last) }), "steps": .array(bins.map { .int($0.steps) }),
      "metrics": .object(metrics),
      "held_out": .array(scores.map { ["step": .int($0.step), "loss": number($0.loss)] }),
      "checkpoints": .array(checkpoints.map { ["step": .int($0.step), "seconds": number($0.seconds)] }),
      "loads": [
        "layers": .array(layers.map { .int($0) }), "experts": .int(expertCount), "bin_steps": .int(loadWidth),
        "first_step": .array(loads.map { .int($0.first) }), "last_step": .array(loads.map { .int($0.last) }),
        "tokens": .array(loads.map { .array($0.tokens.map { .int($0) }) }),
      ],
    ]
    guard var object = json.object else { return json }
    if !taskScores.isEmpty { object["tasks"] = tasksJSON }
    if let policyJSON { object["policy"] = policyJSON }
    return .object(object)
  }

  /// Reads what `json` wrote; throws for what it did not, and for a model of other layers.
  package init(json: JSONValue, layers: [Int], expertCount: Int) throws(MalformedAccount) {
    self.init(layers: layers, expertCount: expertCount)
    binWidth = try Self.width(json)
    let first = try Self.steps(json, "first_step", limit: Self.binLimit)
    let last = try Self.steps(json, "last_step", limit: Self.binLimit)
    let steps = try Self.steps(json, "steps", limit: Self.binLimit)
    guard first.count == last.count, steps.count == last.count, Self.areRuns(first, last),
      zip(zip(first, last), steps).allSatisfy({ $1 <= $0.1 - $0.0 + 1 })
    else { throw MalformedAccount(reason: "its steps do not follow each other") }
    var columns: [String: [[Double]]] = [:]
    for part in ["mean", "least", "most"] {
      columns[part] = try TrainingMetric.allCases.map { metric throws(MalformedAccount) in
        let values = (json["metrics"]?[metric.name]?[part]?.array ?? []).compactMap { $0.isNull ? .nan : $0.double }
        guard values.count == first.count else {
          throw MalformedAccount(reason: "\"\(metric.name)\" has not a number for each bin")
        }
        return values
      }
    }
    bins = first.indices.map { i in
      func values(_ part: String) -> [Double] { (columns[part] ?? []).map { $0[i] } }
      return Bin(
        first: first[i], last: last[i], steps: steps[i], mean: values("mean"), least: values("least"),
        most: values("most"))
    }
    for score in json["held_out"]?.array ?? [] {
      scores.append(Score(step: try score.count("step", below: Self.stepLimit), loss: score["loss"]?.double ?? .nan))
    }
    for point in json["checkpoints"]?.array ?? [] {
      checkpoints.append(
        Checkpoint(step: try point.count("step", below: Self.stepLimit), seconds: point["seconds"]?.double ?? .nan))
    }
    guard max(scores.count, checkpoints.count) <= Self.listLimit else {
      throw MalformedAccount(reason: "it is too long")
    }
    try readLoads(json["loads"] ?? .null)
    try readTasks(json["tasks"] ?? .null)
    if let policy = json["policy"], !policy.isNull { try readPolicy(policy) }
  }

  static let stepLimit = 1 << 40

  private static func width(_ json: JSONValue) throws(MalformedAccount) -> Int {
    let width = try json.count("bin_steps", below: stepLimit)
    guard width > 0, width & (width - 1) == 0 else {
      throw MalformedAccount(reason: "\"bin_steps\" is not a power of two")
    }
    return width
  }

  private static func steps(_ json: JSONValue, _ key: String, limit: Int) throws(MalformedAccount) -> [Int] {
    let values = json[key]?.array ?? []
    let numbers = values.compactMap(\.exactInt).filter { (1..<stepLimit).contains($0) }
    guard numbers.count == values.count, numbers.count <= limit else {
      throw MalformedAccount(reason: "\"\(key)\" is not a list of at most \(limit) steps")
    }
    return numbers
  }

  /// Whether each begins after the one before it ended.
  private static func areRuns(_ first: [Int], _ last: [Int]) -> Bool {
    zip(first, last).allSatisfy { $0 <= $1 } && zip(last, first.dropFirst()).allSatisfy { $0 < $1 }
  }

  private mutating func readLoads(_ json: JSONValue) throws(MalformedAccount) {
    guard json["layers"]?.array?.map(\.exactInt) == layers.map({ $0 }), json["experts"]?.exactInt == expertCount else {
      throw MalformedAccount(reason: "it is of a model with other experts")
    }
    loadWidth = try Self.width(json)
    let first = try Self.steps(json, "first_step", limit: Self.binLimit)
    let last = try Self.steps(json, "last_step", limit: Self.binLimit)
    let tokens = json["tokens"]?.array ?? []
    guard first.count == last.count, tokens.count == last.count, Self.areRuns(first, last) else {
      throw MalformedAccount(reason: "its loads do not follow each other")
    }
    for (i, cells) in tokens.enumerated() {
      let numbers = (cells.array ?? []).compactMap(\.exactInt).filter { (0..<Self.stepLimit).contains($0) }
      guard numbers.count == layers.count * expertCount else {
        throw MalformedAccount(reason: "its loads have not a number for each expert")
      }
      loads.append(Loads(first: first[i], last: last[i], tokens: numbers))
    }
  }
}
