import JSON

/// Why an account cannot be read: its file is another program's, or was changed.
package struct MalformedAccount: Error, Equatable, CustomStringConvertible {
  package let reason: String

  package init(reason: String) { self.reason = reason }

  package var description: String {
    "this is no account of a rank: \(reason); write the report anew with this version of the program"
  }
}

extension MalformedAccount: JSONReadingError {
  package static var takesNullForAbsent: Bool { true }

  package init(missing path: String) { self.init(reason: "\"\(path)\" is missing") }

  package init(wrongKind path: String, expected: String, found: JSONValue) {
    self.init(reason: "\"\(path)\" is \(found.kind) where \(expected) should be")
  }

  package init(outOfRange path: String, expected: String, found: String) {
    self.init(reason: "\"\(path)\" is \(found) where \(expected) should be")
  }
}

extension RankAccount {
  package var json: JSONValue {
    var object = JSONObject([
      ("rank", .int(rank)), ("host", .string(host)), ("host_leader", .int(hostLeader)), ("threads", .int(threads)),
      ("processor", .string(processor)), ("shares_cores", .bool(sharesCores)),
      (
        "clock",
        [
          "offset_ns": .double(clockOffset), "error_ns": .double(clockError), "drift_ppm": .double(clockDrift),
        ]
      ),
    ])
    for kind in StepKind.allCases { object[kind.name] = kinds[kind.rawValue].json }
    if reduction != ReductionTraffic() { object["reduction"] = reduction.json }
    if !spans.isEmpty {
      object["spans"] = .array(
        spans.map {
          .array([.int(Int(clamping: $0.start)), .int(Int($0.step)), .int(Int($0.layer)), .int(Int($0.phase))])
        })
    }
    if !messages.isEmpty {
      object["messages"] = .array(
        messages.map {
          .numbers([
            Int(clamping: $0.sent), Int($0.step), Int($0.rows), Int($0.peer), Int($0.layer), $0.isCombine ? 1 : 0,
          ])
        })
    }
    return .object(object)
  }

  /// Checks every number; `layerCount` layers and `rankCount` ranks are expected.
  package init(json: JSONValue, layerCount: Int, rankCount: Int) throws(MalformedAccount) {
    rank = try json.count("rank", below: rankCount)
    guard let host = json["host"]?.string else { throw MalformedAccount(reason: "\"host\" is not a text") }
    self.host = host
    hostLeader = try json.count("host_leader", below: rankCount)
    threads = try json.count("threads")
    processor = json["processor"]?.string ?? ""
    sharesCores = json["shares_cores"]?.bool ?? false
    clockOffset = json["clock"]?["offset_ns"]?.double ?? 0
    clockError = json["clock"]?["error_ns"]?.double ?? 0
    clockDrift = json["clock"]?["drift_ppm"]?.double ?? 0
    kinds = []
    for kind in StepKind.allCases {
      guard let value = json[kind.name] else { throw MalformedAccount(reason: "\"\(kind.name)\" is missing") }
      kinds.append(try Kind(json: value, layerCount: layerCount, rankCount: rankCount))
    }
    if let value = json["reduction"] { reduction = try ReductionTraffic(json: value) }
    for span in json["spans"]?.array ?? [] {
      guard let numbers = span.array, numbers.count == 4, let start = numbers[0].exactInt, start >= 0,
        let step = numbers[1].exactInt.flatMap({ UInt32(exactly: $0) }), let layer = numbers[2].exactInt,
        (-1..<layerCount).contains(layer), let phase = numbers[3].exactInt, (0...Phase.count).contains(phase)
      else { throw MalformedAccount(reason: "a span is not [start, step, layer, phase]") }
      spans.append(.init(start: UInt64(start), step: step, layer: Int16(layer), phase: UInt8(phase)))
    }
    for message in json["messages"]?.array ?? [] {
      let numbers = try message.numbers(count: 6, of: "messages")
      guard let step = UInt32(exactly: numbers[1]), let rows = UInt32(exactly: numbers[2]), numbers[3] < rankCount,
        let peer = UInt16(exactly: numbers[3]), numbers[4] < layerCount, let layer = Int16(exactly: numbers[4])
      else { throw MalformedAccount(reason: "a message is not [sent, step, rows, peer, layer, combine]") }
      messages.append(
        .init(sent: UInt64(numbers[0]), step: step, rows: rows, peer: peer, layer: layer, isCombine: numbers[5] != 0))
    }
  }
}

extension RankAccount.Kind {
  var json: JSONValue {
    var object = JSONObject([
      ("steps", .int(steps)), ("wall_ns", .int(wall)), ("time_ns", .numbers(time)), ("late_ns", .numbers(late)),
      ("late_by_rank_ns", .numbers(lateByRank)), ("sent", .array(sent.map(\.json))),
      ("rows_to_host", .numbers(rowsToHost)), ("visits", .numbers(visits)),
      ("distinct_experts", .numbers(distinctExperts)), ("expert_visits", .array(experts.map { .numbers($0) })),
    ])
    if !rejected.isEmpty { object["rejected_visits"] = .array(rejected.map { .numbers($0) }) }
    return .object(object)
  }

  init(json: JSONValue, layerCount: Int, rankCount: Int) throws(MalformedAccount) {
    steps = try json.count("steps")
    wall = try json.count("wall_ns")
    time = try json.table("time_ns", rows: layerCount + 1, columns: Phase.count)
    late = try json.table("late_ns", rows: layerCount + 1, columns: Phase.count)
    lateByRank = try json.numbers("late_by_rank_ns", count: rankCount)
    rowsToHost = try json.numbers("rows_to_host", count: rankCount)
    visits = try json.numbers("visits", count: layerCount)
    distinctExperts = try json.numbers("distinct_experts", count: layerCount)
    guard let sent = json["sent"]?.array, sent.count == rankCount else {
      throw MalformedAccount(reason: "\"sent\" has not one entry for each rank")
    }
    for entry in sent { self.sent.append(try Traffic(json: entry)) }
    experts = try Self.pairs("expert_visits", in: json, layerCount: layerCount)
    if json["rejected_visits"] != nil {
      rejected = try Self.pairs("rejected_visits", in: json, layerCount: layerCount)
    }
  }

  private static func pairs(
    _ key: String, in json: JSONValue, layerCount: Int
  ) throws(MalformedAccount) -> [[[Int]]] {
    guard let layers = json[key]?.array, layers.count == layerCount else {
      throw MalformedAccount(reason: "\"\(key)\" has not one entry for each layer")
    }
    var pairs: [[[Int]]] = []
    for layer in layers {
      pairs.append(
        try (layer.array ?? []).map { pair throws(MalformedAccount) in try pair.numbers(count: 2, of: key) })
    }
    return pairs
  }
}

extension ReductionTraffic {
  private static var fields: [(String, WritableKeyPath<ReductionTraffic, Int>)] {
    [
      ("sum_bytes", \.sumBytes), ("sum_messages", \.sumMessages), ("gather_bytes", \.gatherBytes),
      ("gather_messages", \.gatherMessages),
    ]
  }

  var json: JSONValue { .object(JSONObject(Self.fields.map { ($0, .int(self[keyPath: $1])) })) }

  init(json: JSONValue) throws(MalformedAccount) {
    self.init()
    for (name, field) in Self.fields { self[keyPath: field] = try json.count(name) }
  }
}

extension Traffic {
  private static var fields: [(String, WritableKeyPath<Traffic, Int>)] {
    [
      ("dispatch_payload_bytes", \.dispatchPayload), ("dispatch_metadata_bytes", \.dispatchMetadata),
      ("combine_payload_bytes", \.combinePayload), ("combine_metadata_bytes", \.combineMetadata),
      ("messages", \.messages),
      ("dispatch_rows", \.dispatchRows), ("combine_tokens", \.combineTokens), ("combine_rows", \.combineRows),
    ]
  }

  /// Left out where ranks share out experts alone.
  private static var gatherFields: [(String, WritableKeyPath<Traffic, Int>)] {
    [("gather_payload_bytes", \.gatherPayload), ("gather_metadata_bytes", \.gatherMetadata)]
  }

  /// All that it counts.
  package var numbers: [Int] { (Self.fields + Self.gatherFields).map { self[keyPath: $0.1] } }

  package var json: JSONValue {
    let fields = Self.fields + Self.gatherFields.filter { self[keyPath: $0.1] > 0 }
    return .object(JSONObject(fields.map { ($0, .int(self[keyPath: $1])) }))
  }

  init(json: JSONValue) throws(MalformedAccount) {
    self.init()
    for (name, field) in Self.fields { self[keyPath: field] = try json.count(name) }
    for (name, field) in Self.gatherFields where json[name] != nil { self[keyPath: field] = try json.count(name) }
  }
}

extension JSONValue {
  static func numbers(_ values: [Int]) -> JSONValue { .array(values.map { .int($0) }) }
  static func numbers(_ values: [[Int]]) -> JSONValue { .array(values.map { .numbers($0) }) }

  /// A member that is a whole number from 0 to below `limit`.
  package func count(_ key: String, below limit: Int = 1 << 62) throws(MalformedAccount) -> Int {
    guard let value = self[key] else { throw MalformedAccount(missing: key) }
    return try JSONReader<MalformedAccount>.integer(value, path: key, in: 0...(max(limit, 1) - 1))
  }

  func numbers(count: Int, of key: String) throws(MalformedAccount) -> [Int] {
    let numbers = try JSONReader<MalformedAccount>.array(self, path: key) { value, path throws(MalformedAccount) in
      try JSONReader<MalformedAccount>.integer(value, path: path, in: 0...((1 << 62) - 1))
    }
    guard numbers.count == count else { throw MalformedAccount(reason: "\"\(key)\" has not \(count) numbers") }
    return numbers
  }

  func numbers(_ key: String, count: Int) throws(MalformedAccount) -> [Int] {
    try (self[key] ?? .null).numbers(count: count, of: key)
  }

  func table(_ key: String, rows: Int, columns: Int) throws(MalformedAccount) -> [[Int]] {
    guard let values = self[key]?.array, values.count == rows else {
      throw MalformedAccount(reason: "\"\(key)\" has not \(rows) rows")
    }
    var table: [[Int]] = []
    for value in values { table.append(try value.numbers(count: columns, of: key)) }
    return table
  }
}
