import Kernels
import MoEModel

/// The sizes for which whatever runs a model has laid out memory and messages: models that are equal in these can take
/// each other's place.
package struct ModelShape: Equatable, Sendable, CustomStringConvertible {
  package let layerCount: Int
  package let hiddenSize: Int
  package let vocabularySize: Int
  package let maximumPositions: Int
  package let expertCount: Int
  package let topK: Int
  /// Layers that have experts.
  package let moeLayers: [Int]
  /// Numbers of a block of the attention cache.
  package let cacheBlockNumbers: Int
  /// Numbers of a sequence's recurrent states.
  package let stateNumbers: Int
  package let rowFormat: RowFormat

  package init(_ description: DecoderDescription, _ weights: ModelWeights) {
    (layerCount, hiddenSize) = (description.layerCount, description.hiddenSize)
    (vocabularySize, maximumPositions) = (description.vocabularySize, description.maximumPositions)
    (expertCount, topK) = (description.moe?.expertCount ?? 0, description.moe?.topK ?? 0)
    moeLayers = description.moeLayers
    cacheBlockNumbers = KeyValueCache.blockByteCount(description, type: .f32) / 4
    stateNumbers = StateCache.slotByteCount(description) / 4
    rowFormat = weights.rowFormat
  }

  package var description: String {
    """
    \(layerCount) layers of \(hiddenSize), \(expertCount) experts of which a token chooses \(topK) in \
    \(moeLayers.count) layers, a vocabulary of \(vocabularySize), \(maximumPositions) positions, \
    \(cacheBlockNumbers) numbers a cache block, \(stateNumbers) in the recurrent states of a sequence, rows in \
    \(rowFormat.rawValue)
    """
  }
}
