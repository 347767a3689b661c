/// All parameters of a model, each once, in the order in which checkpoints are written.
///
/// Whatever is done with a model's parameters walks this table: counting, planning memory, loading, quantising,
/// writing. Where a checkpoint keeps each is `PublishedNames`' matter. A layer's parameters are listed when the walk
/// gets there: a configuration may speak of more than anybody could hold.
package struct ParameterTable: Sendable, Sequence {
  private let description: DecoderDescription
  private let layerCount: Int

  /// `predicts`: with the multi-token prediction modules that the configuration speaks of.
  package init(_ description: DecoderDescription, predicts: Bool = false) {
    self.description = description
    layerCount = description.layerCount + (predicts ? description.predictionLayerCount : 0)
  }

  /// The parameter whose memory `id` is: itself, but for the head of a tied model.
  package func holder(of id: ParameterID) -> ParameterID {
    description.tiedEmbeddings && id.role == .head ? ParameterID(.embedding) : id
  }

  package struct Iterator: IteratorProtocol {
    fileprivate let table: ParameterTable
    /// Before the layers, the layers, after them.
    fileprivate var section = 0
    fileprivate var rest: [ParameterSpec].Iterator

    package mutating func next() -> ParameterSpec? {
      while true {
        if let spec = rest.next() { return spec }
        section += 1
        guard section <= table.layerCount + 1 else { return nil }
        rest = table.specs(ofSection: section).makeIterator()
      }
    }
  }

  package func makeIterator() -> Iterator { Iterator(table: self, rest: specs(ofSection: 0).makeIterator()) }

  private func specs(ofSection section: Int) -> [ParameterSpec] {
    guard section == 0 || section > layerCount else { return description.parameters(ofLayer: section - 1) }
    var list = ParameterList()
    let (vocabulary, hidden) = (description.vocabularySize, description.hiddenSize)
    if section == 0 {
      list.matrix(.embedding, rows: vocabulary, columns: hidden, use: .sensitive)
    } else {
      list.vector(.finalNorm, count: hidden)
      if !description.tiedEmbeddings { list.matrix(.head, rows: vocabulary, columns: hidden, use: .sensitive) }
    }
    return list.specs
  }
}
