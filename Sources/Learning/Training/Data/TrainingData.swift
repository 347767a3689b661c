import Machine
import Tokenization

/// The data of a training, opened and checked: any sequence of it, at any place of its order, on any rank.
///
/// Text and lists of ids are held as tokens in memory (four bytes each, on every rank); shards of tokens stay in their
/// files. All tokens are read once when it is opened, so that one outside the vocabulary is an error before anything is
/// computed.
package final class TrainingData: Sendable {
  package struct Options: Sendable {
    /// Tokens that a sequence predicts.
    package var sequenceLength: Int
    package var packing = Packing.packed
    package var seed: UInt64
    /// Of the model.
    package var vocabularySize: Int
    /// Positions that the model was made for.
    package var maximumPositions: Int
    package var tokenizer: Tokenizer?
    /// Takes lines of messages, of which answers are learnt; nil where there may be none.
    package var conversations: ConversationEncoder?
    /// Ends documents; nil for the tokenizer's own.
    package var endToken: Int32?

    package init(sequenceLength: Int, seed: UInt64, vocabularySize: Int, maximumPositions: Int) {
      (self.sequenceLength, self.seed) = (sequenceLength, seed)
      (self.vocabularySize, self.maximumPositions) = (vocabularySize, maximumPositions)
    }
  }

  /// Files that are taken as one stream of tokens.
  private struct Group {
    var stores: [any TokenStore]
    var index: SequenceIndex
  }

  package let order: DataOrder
  package let sequenceLength: Int
  package let packing: Packing
  /// SHA-256 over the lengths, documents and sums of all files' tokens and over what decides about sequences and their
  /// order, but for the seed: the same on two ranks that see the same data. Paths do not count.
  package let fingerprint: [UInt8]
  private let groups: [Group]
  private let padding: Int32

  /// Opens all files, on all of the pool's workers where text is tokenized. Throws `DataError`, or `CheckpointError`
  /// for a file that cannot be read.
  package init(_ files: [DataFile], _ options: Options, pool: WorkerPool? = nil) throws {
    try DataFile.check(files)
    let limit = Self.lengthLimit(options.maximumPositions)
    guard (1...limit).contains(options.sequenceLength) else {
      throw DataError.badLength(options.sequenceLength, limit: limit)
    }
    let endToken = options.endToken ?? Self.endToken(of: options.tokenizer, below: options.vocabularySize)
    let opener = TokenFile(
      reader: DocumentReader(
        tokenizer: options.tokenizer, endToken: endToken, vocabularySize: options.vocabularySize,
        conversations: options.conversations, pool: pool))
    let lists = files[0].weight == nil ? [files] : files.map { [$0] }
    (sequenceLength, packing) = (options.sequenceLength, options.packing)
    padding = endToken ?? 0
    var groups: [Group] = []
    for list in lists {
      let stores = try list.flatMap { try $0.expanded() }.map { try opener.open($0) }
      let index = SequenceIndex(stores, length: options.sequenceLength, packing: options.packing)
      guard index.count > 0 else {
        throw DataError.tooShort(
          what: list.count == 1 ? list[0].path.debugDescription : "the data",
          tokens: stores.reduce(0) { $0 + $1.tokenCount },
          needed: options.packing == .packed ? options.sequenceLength + 1 : 2)
      }
      groups.append(Group(stores: stores, index: index))
    }
    self.groups = groups
    let weights = files.compactMap(\.weight)
    order = DataOrder(counts: groups.map(\.index.count), weights: weights.isEmpty ? nil : weights, seed: options.seed)
    fingerprint = try DataFingerprint.digest(
      groups.map(\.stores), length: options.sequenceLength, packing: options.packing, parts: order.parts,
      padding: endToken)
  }

  /// The most tokens that a sequence may predict, of a model made for so many positions.
  package static func lengthLimit(_ maximumPositions: Int) -> Int { max(1, min(maximumPositions, 1 << 24)) }

  private static func endToken(of tokenizer: Tokenizer?, below limit: Int) -> Int32? {
    guard let tokenizer, let text = tokenizer.eosToken, let id = tokenizer.id(of: text), id < limit else { return nil }
    return Int32(id)
  }

  /// Sequences of all files, each once.
  package var sequenceCount: Int { groups.reduce(0) { $0 + $1.index.count } }
  package var tokenCount: Int { groups.reduce(0) { $0 + $1.stores.reduce(0) { $0 + $1.tokenCount } } }
  /// Tokens that no sequence has.
  package var leftOver: Int { groups.reduce(0) { $0 + $1.index.leftOver } }
  /// Bytes of memory that tokens take on each rank.
  package var memoryBytes: Int { groups.reduce(0) { $0 + $1.stores.reduce(0) { $0 + $1.memoryBytes } } }

  /// The most documents of a sequence that do not see each other.
  package var mostApart: Int { groups.reduce(1) { max($0, $1.index.mostApart) } }

  /// Rows that the sequence at a place of the order takes: tokens that are read.
  package func rowCount(position: Int) -> Int {
    let place = order[position]
    return rowCount(groups[place.group], place.sequence)
  }

  /// Its tokens, `sequenceLength + 1` of them: `predicted` after the first are predicted, each from those before it,
  /// and what follows these fills up. Where documents are by themselves the tokens of each, of which all but the first
  /// are predicted. A token that is read and not learnt is there as its complement, `~id`.
  package func pieces(position: Int) throws -> [(tokens: [Int32], predicted: Int)] {
    let place = order[position]
    return try pieces(groups[place.group], place.sequence)
  }

  /// The same for the sequences of all files in their order, as held-out data are scored.
  package func rowCount(sequence: Int) -> Int {
    let (group, rest) = place(of: sequence)
    return rowCount(group, rest)
  }

  package func pieces(sequence: Int) throws -> [(tokens: [Int32], predicted: Int)] {
    let (group, rest) = place(of: sequence)
    return try pieces(group, rest)
  }

  private func rowCount(_ group: Group, _ sequence: Int) -> Int {
    guard packing == .whole else { return sequenceLength }
    return group.index.places(of: sequence).reduce(0) { $0 + $1.count - 1 }
  }

  private func pieces(_ group: Group, _ sequence: Int) throws -> [(tokens: [Int32], predicted: Int)] {
    let places = group.index.places(of: sequence)
    guard packing == .whole else {
      var tokens = [Int32](repeating: padding, count: sequenceLength + 1)
      var filled = 0
      try tokens.withUnsafeMutableBufferPointer { buffer in
        for place in places {
          try group.stores[place.store].read(
            into: UnsafeMutableBufferPointer(rebasing: buffer[filled..<(filled + place.count)]), from: place.first)
          filled += place.count
        }
      }
      return [(tokens, filled - 1)]
    }
    return try places.map { place in
      var tokens = [Int32](repeating: 0, count: place.count)
      try tokens.withUnsafeMutableBufferPointer { try group.stores[place.store].read(into: $0, from: place.first) }
      return (tokens, place.count - 1)
    }
  }

  /// Where the sequence at a place of the order comes from, in words: file, documents (the first is 1) and tokens of
  /// that file.
  package func origin(position: Int) -> String {
    let place = order[position]
    let group = groups[place.group]
    let parts = group.index.places(of: place.sequence).map { part in
      let (store, last) = (group.stores[part.store], part.first + part.count - 1)
      let documents = (first: store.documents.number(ofToken: part.first), last: store.documents.number(ofToken: last))
      let which =
        documents.first == documents.last
        ? "document \(documents.first)" : "documents \(documents.first) to \(documents.last)"
      return "\(store.path.debugDescription), \(which), tokens \(part.first) to \(last)"
    }
    return parts.joined(separator: "; ")
  }

  private func place(of sequence: Int) -> (group: Group, sequence: Int) {
    var rest = sequence
    for group in groups {
      if rest < group.index.count { return (group, rest) }
      rest -= group.index.count
    }
    preconditionFailure("there is no sequence \(sequence)")
  }
}
