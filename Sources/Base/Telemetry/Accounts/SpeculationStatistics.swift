import JSON

/// What drafts came to over the steps of a run: tokens that were tried ahead of what is sampled.
package struct SpeculationStatistics: Sendable {
  /// Steps of one kind: how many, tokens sampled in them, and their time.
  package struct Steps: Sendable {
    package var count = 0
    package var tokens = 0
    package var time = Duration.zero

    /// Counts a step that gave `tokens` tokens in all and took `time`.
    package mutating func add(tokens: Int, time: Duration) {
      count += 1
      self.tokens += tokens
      self.time += time
    }

    fileprivate mutating func add(_ other: Steps) {
      count += other.count
      tokens += other.tokens
      time += other.time
    }

    /// Tokens a second; nil where no time was counted.
    package var rate: Double? { time > .zero ? Double(tokens) / (time / .seconds(1)) : nil }

    fileprivate func since(_ earlier: Steps) -> Steps {
      Steps(count: count - earlier.count, tokens: tokens - earlier.tokens, time: time - earlier.time)
    }
  }

  /// By place after the last token: drafts that were looked at, and those that were what was sampled.
  package private(set) var drafted: [Int] = []
  package private(set) var accepted: [Int] = []
  /// Decode steps with drafts or with the prediction module, and without.
  package var with = Steps()
  package var without = Steps()
  /// Seconds of steps with drafts whose load was measured without them, too; and what their tokens would have taken
  /// then.
  package var comparedSeconds = 0.0
  package var secondsWithout = 0.0

  package var draftedCount: Int { drafted.reduce(0, +) }
  package var acceptedCount: Int { accepted.reduce(0, +) }
  /// Whether drafts were ever tried or left out: false in runs that do not speculate.
  package var isEmpty: Bool { with.count == 0 && without.count == 0 && drafted.isEmpty }
  /// Share of the drafts that were right; nil without any.
  package var acceptance: Double? { draftedCount > 0 ? Double(acceptedCount) / Double(draftedCount) : nil }
  /// Tokens that a sequence with drafts got of a step, on average; nil without any.
  package var runLength: Double? {
    drafted.first.flatMap { $0 > 0 ? 1 + Double(acceptedCount) / Double($0) : nil }
  }
  /// The same by place: of the drafts there, which were looked at whether the one before was right or not.
  package var acceptanceByPlace: [Double] { zip(drafted, accepted).map { Double($1) / Double(max($0, 1)) } }
  /// By place, the share of all sequences' steps with drafts in which the draft there and all before it were right;
  /// empty without any. Some have fewer drafts than others: these shares fall from place to place and, with the token
  /// that is sampled anyway, add up to `runLength`; those of a place's own drafts do neither.
  package var reachByPlace: [Double] {
    guard let begun = drafted.first, begun > 0 else { return [] }
    return accepted.map { Double($0) / Double(begun) }
  }
  /// How many times as fast steps with drafts were as the same tokens without, as measured at the same load; nil where
  /// one of the two was not.
  package var gain: Double? { comparedSeconds > 0 && secondsWithout > 0 ? secondsWithout / comparedSeconds : nil }

  package init() {}

  /// Counts a sequence's drafts in a step, of which the first `right` were what was sampled.
  package mutating func count(drafts: Int, right: Int) {
    while drafted.count < drafts {
      drafted.append(0)
      accepted.append(0)
    }
    for place in 0..<drafts { drafted[place] += 1 }
    for place in 0..<min(right, drafts) { accepted[place] += 1 }
  }

  package var json: JSONValue {
    func number(_ value: Double?) -> JSONValue { value.map { .double($0) } ?? .null }
    return [
      "drafted": .array(drafted.map { .int($0) }), "accepted": .array(accepted.map { .int($0) }),
      "acceptance": number(acceptance), "tokens_per_run": number(runLength), "gain": number(gain),
      "steps_with": .int(with.count), "steps_without": .int(without.count),
      "tokens_per_second_with": number(with.rate), "tokens_per_second_without": number(without.rate),
    ]
  }

  /// Reads what `json` wrote of drafts and of how many steps had some; times are left out.
  package init(json: JSONValue) throws(MalformedAccount) {
    func counts(_ key: String) throws(MalformedAccount) -> [Int] {
      let numbers = json[key]?.array?.compactMap(\.exactInt) ?? []
      guard numbers.count == json[key]?.array?.count, numbers.count <= 64,
        numbers.allSatisfy({ (0..<(1 << 50)).contains($0) })
      else { throw MalformedAccount(reason: "\"\(key)\" of its \"speculation\" is no list of counts") }
      return numbers
    }
    (drafted, accepted) = (try counts("drafted"), try counts("accepted"))
    guard drafted.count == accepted.count, zip(drafted, accepted).allSatisfy({ $0 >= $1 }) else {
      throw MalformedAccount(reason: "more drafts of its \"speculation\" were right than there were")
    }
    with.count = try json.count("steps_with")
    without.count = try json.count("steps_without")
  }

  package static func + (a: SpeculationStatistics, b: SpeculationStatistics) -> SpeculationStatistics {
    var sum = a
    for place in b.drafted.indices {
      if place == sum.drafted.count {
        sum.drafted.append(0)
        sum.accepted.append(0)
      }
      sum.drafted[place] += b.drafted[place]
      sum.accepted[place] += b.accepted[place]
    }
    sum.with.add(b.with)
    sum.without.add(b.without)
    sum.comparedSeconds += b.comparedSeconds
    sum.secondsWithout += b.secondsWithout
    return sum
  }

  package func since(_ earlier: SpeculationStatistics) -> SpeculationStatistics {
    var difference = self
    for place in earlier.drafted.indices where place < drafted.count {
      difference.drafted[place] -= earlier.drafted[place]
      difference.accepted[place] -= earlier.accepted[place]
    }
    difference.with = with.since(earlier.with)
    difference.without = without.since(earlier.without)
    difference.comparedSeconds -= earlier.comparedSeconds
    difference.secondsWithout -= earlier.secondsWithout
    return difference
  }
}
