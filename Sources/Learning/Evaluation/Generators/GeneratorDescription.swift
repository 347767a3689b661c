import JSON

/// What `generator` in `task.json` says: items are made, not read.
struct GeneratorDescription: Sendable, Equatable {
  enum Name: String, Sendable, CaseIterable {
    case chainSum = "chain-sum"
    case addition, products, gcd, sorting, countdown
    case letterCounting = "letter-counting"
    case spellBackward = "spell-backward"
    case capitalChoices = "capital-choices"
  }

  var name: Name
  var count: Int
  var seed: UInt64
  /// How many numbers an item has.
  var terms: ClosedRange<Int>
  /// Decimal digits of each.
  var digits: ClosedRange<Int>
  /// Largest number, of countdown.
  var maximum: Int

  init(_ fields: TaskFields) throws(EvaluationError) {
    try fields.allow(["name", "count", "seed", "terms", "digits", "maximum"])
    guard let name = try fields.choice("name", of: Name.self) else {
      throw .missing(file: fields.file, line: nil, field: "generator.name")
    }
    self.name = name
    count = try fields.integer("count", in: 1...1_000_000) ?? 1000
    seed = UInt64(try fields.integer("seed", in: 0...Int.max) ?? 1)
    terms = try fields.range("terms", in: 1...20) ?? (name == .countdown ? 3...3 : name == .chainSum ? 3...6 : 2...5)
    digits = try fields.range("digits", in: 1...9) ?? (name == .addition ? 3...5 : 1...2)
    maximum = try fields.integer("maximum", in: 1...1_000_000) ?? 20
  }

  /// The first `count` items: those of a larger count are the same and more. Equal questions come once, as far as there
  /// are others.
  func documents(count: Int, file: String) -> [ItemDocument] {
    var documents: [ItemDocument] = []
    var seen: Set<String> = []
    var numbers = SeededNumbers(seed: seed, name.rawValue)
    // Small ranges may have fewer different questions than are asked for.
    var patience = 20 * count + 1000
    while documents.count < count, patience > 0 {
      patience -= 1
      let object = document(&numbers, place: documents.count)
      guard seen.insert(object["question"]?.string ?? "").inserted else { continue }
      documents.append(ItemDocument(file: file, line: nil, object: object))
    }
    return documents
  }

  private func document(_ numbers: inout SeededNumbers, place: Int) -> JSONObject {
    switch name {
    case .chainSum: chainSum(&numbers)
    case .addition: addition(&numbers)
    case .products: products(&numbers)
    case .gcd: gcd(&numbers)
    case .sorting: sorting(&numbers)
    case .countdown: countdown(&numbers)
    case .letterCounting: letterCounting(&numbers)
    case .spellBackward: spellBackward(&numbers)
    case .capitalChoices: capitalChoices(&numbers)
    }
  }
}
