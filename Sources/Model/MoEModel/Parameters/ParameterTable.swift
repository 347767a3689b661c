/// All parameters of a model, each once, in the order in which checkpoints are written.
///
/// Whatever is done with a model's parameters walks this table: counting, planning memory, loading, quantising,
/// writing. Where a checkpoint keeps each is `PublishedNames`' matter. A layer's parameters are listed when the walk
/// gets there: a configuration may speak of more than anybody could hold.
package struct ParameterTable: Sendable, Sequence {
  private let description: DecoderDescription
  private let layerCount: Int

  /// `predicts`: with the multi-token prediction modules that the configuration speaks of, as the description has it if
  /// it is nil.
  package init(_ description: DecoderDescription, predicts: Bool? = nil) {
    self.description = description
    layerCount = description.layerCount + (predicts ?? description.predicts ? description.predictionLayerCount : 0)
  }

  /// The parameter whose memory `id` is: itself, but for the head of a tied model and for what a prediction module
  /// shares.
  package func holder(of id: ParameterID) -> ParameterID {
    switch id.role {
    case .prediction(.embedding): ParameterID(.embedding)
    case .head, .prediction(.head): ParameterID(description.tiedEmbeddings ? .embedding : .head)
    default: id
    }
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
      if case .hyper(let hyper) = description.residual { hyper.list(into: &list, hidden: hidden, of: .head) }
      list.vector(.finalNorm, count: hidden, offset: description.normOffset)
      if !description.tiedEmbeddings { list.matrix(.head, rows: vocabulary, columns: hidden, use: .sensitive) }
    }
    return list.specs
  }
}
