/// How documents become sequences.
package enum Packing: String, Sendable, CaseIterable {
  /// One after another, cut every so many tokens: no place is lost, and a sequence may hold parts of several documents.
  case packed
  /// Each by itself, cut where it is longer than a sequence, and filled up where it is shorter.
  case cut
  /// As many as fit one after another, each by itself all the same: none sees another. Cut where one is longer than a
  /// sequence.
  case whole
}

/// The sequences of some stores that are taken as one: where each begins, and how many tokens it has.
///
/// A sequence of length T is T + 1 tokens, of which all but the first are predicted: packed ones overlap by one token,
/// so that every token but the first is predicted once.
struct SequenceIndex: Sendable {
  /// Where a sequence's tokens lie.
  struct Place: Equatable {
    var store: Int
    var first: Int
    var count: Int
  }

  /// Of one store, cut: sequences before each document, and after the last.
  private enum Cut {
    case rows(length: Int, each: Int)
    case documents(starts: [Int], before: [Int], tokenCount: Int)
  }

  let length: Int
  private(set) var count = 0
  /// Tokens that are in no sequence: less than one at a packed end, or a document of a single token.
  private(set) var leftOver = 0
  /// What comes before each store, and after the last: tokens where packed, sequences where cut.
  private var before: [Int] = [0]
  private var cuts: [Cut]?
  /// Of whole documents: the first piece of each sequence, as they are cut, and their number.
  private var runs: [Int]?

  init(_ stores: [any TokenStore], length: Int, packing: Packing) {
    self.length = length
    switch packing {
    case .packed:
      for store in stores { before.append(before[before.count - 1] + store.tokenCount) }
      count = max(0, (before[before.count - 1] - 1) / length)
      leftOver = max(0, before[before.count - 1] - (count > 0 ? count * length + 1 : 0))
    case .cut, .whole:
      let cuts = stores.map { Self.cut($0, length: length) }
      for cut in cuts { before.append(before[before.count - 1] + cut.sequences) }
      self.cuts = cuts.map(\.cut)
      count = before[before.count - 1]
      leftOver = cuts.reduce(0) { $0 + $1.leftOver }
      if packing == .whole { joinPieces() }
    }
  }

  /// Puts pieces into sequences, in their order, as long as there is room.
  private mutating func joinPieces() {
    var runs: [Int] = []
    var rows = 0
    for piece in 0..<count {
      let more = place(of: piece).count - 1
      // Each takes a block of the attention cache at least: many short ones would take more than was counted.
      if let first = runs.last, rows + more <= length, piece - first < max(8, length / 8) {
        rows += more
        continue
      }
      runs.append(piece)
      rows = 0
      rows += more
    }
    runs.append(count)
    (self.runs, count) = (runs, runs.count - 1)
  }

  /// The most documents of a sequence that do not see each other; 1 where they do.
  var mostApart: Int {
    guard let runs else { return 1 }
    return zip(runs, runs.dropFirst()).reduce(1) { max($0, $1.1 - $1.0) }
  }

  /// Sequences of a document of so many tokens.
  private static func sequences(of tokens: Int, length: Int) -> Int { tokens < 2 ? 0 : (tokens - 2) / length + 1 }

  private static func cut(_ store: any TokenStore, length: Int) -> (cut: Cut, sequences: Int, leftOver: Int) {
    switch store.documents {
    case .rows(let row):
      let each = sequences(of: row, length: length)
      return (.rows(length: row, each: each), each * (store.tokenCount / row), each == 0 ? store.tokenCount : 0)
    case .starts(let starts):
      var before = [0]
      var leftOver = 0
      before.reserveCapacity(starts.count + 1)
      for (i, start) in starts.enumerated() {
        let tokens = (i + 1 < starts.count ? starts[i + 1] : store.tokenCount) - start
        before.append(before[i] + sequences(of: tokens, length: length))
        if tokens < 2 { leftOver += tokens }
      }
      return (.documents(starts: starts, before: before, tokenCount: store.tokenCount), before[starts.count], leftOver)
    }
  }

  /// Where a sequence's tokens are: of one stretch of a store, of the ends and beginnings of several, or of whole
  /// documents.
  func places(of sequence: Int) -> [Place] {
    if let runs { return (runs[sequence]..<runs[sequence + 1]).map { place(of: $0) } }
    return cuts == nil ? packedPlaces(from: sequence * length, count: length + 1) : [place(of: sequence)]
  }

  private func packedPlaces(from first: Int, count: Int) -> [Place] {
    var places: [Place] = []
    var (at, rest, store) = (first, count, Self.last(before, notAbove: first))
    while rest > 0 {
      let here = min(rest, before[store + 1] - at)
      if here > 0 { places.append(Place(store: store, first: at - before[store], count: here)) }
      (at, rest, store) = (at + here, rest - here, store + 1)
    }
    return places
  }

  /// Of a piece of one document.
  private func place(of sequence: Int) -> Place {
    guard let cuts else { preconditionFailure("documents that were not cut") }
    let store = Self.last(before, notAbove: sequence)
    let inside = sequence - before[store]
    let (start, tokens, number): (Int, Int, Int)
    switch cuts[store] {
    case .rows(let row, let each): (start, tokens, number) = (inside / each * row, row, inside % each)
    case .documents(let starts, let before, let tokenCount):
      let document = Self.last(before, notAbove: inside)
      start = starts[document]
      tokens = (document + 1 < starts.count ? starts[document + 1] : tokenCount) - start
      number = inside - before[document]
    }
    return Place(store: store, first: start + number * length, count: min(length + 1, tokens - number * length))
  }

  /// The last entry of ascending numbers that is not above `value` and below the next one.
  private static func last(_ numbers: [Int], notAbove value: Int) -> Int {
    var (low, high) = (0, numbers.count - 1)
    while low + 1 < high {
      let middle = (low + high) / 2
      if numbers[middle] <= value { low = middle } else { high = middle }
    }
    return low
  }
}
