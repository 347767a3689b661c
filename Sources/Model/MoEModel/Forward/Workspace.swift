import Kernels
import Tensors

/// The buffers a forward pass writes its intermediate results to, for up to `rows` tokens; made once, grown rarely.
final class Workspace {
  let rows: Int
  let hidden: AlignedBuffer<Float>
  let normed: AlignedBuffer<Float>
  let projected: AlignedBuffer<Float>
  let routed: AlignedBuffer<Float>
  let shared: AlignedBuffer<Float>
  let query: AlignedBuffer<Float>
  let queryLatent: AlignedBuffer<Float>
  let keyValue: AlignedBuffer<Float>
  let absorbed: AlignedBuffer<Float>
  let attended: AlignedBuffer<Float>
  let values: AlignedBuffer<Float>
  let gate: AlignedBuffer<Float>
  let up: AlignedBuffer<Float>
  let cosine: AlignedBuffer<Float>
  let sine: AlignedBuffer<Float>
  let routerLogits: AlignedBuffer<Float>
  let decisions: RouterDecisions
  let sharedGate: AlignedBuffer<Float>
  // Rounded forms of what enters matrix products.
  let roundedNormed: RowBuffer
  let roundedQueryLatent: RowBuffer
  /// Of the part of each head's query that meets latents, `[rows, heads]`.
  let roundedQuery: RowBuffer
  /// `[rows, heads]`
  let roundedAttended: RowBuffer
  let roundedValues: RowBuffer
  private let activated: [RowBuffer]

  /// The buffer for the outputs of a feed-forward block's activation.
  func activated(width: Int) -> RowBuffer { activated.first { $0.columns == width }! }

  init(_ description: DecoderDescription, rowFormat: RowFormat, rows: Int) {
    self.rows = rows
    let hiddenSize = description.hiddenSize
    func buffer(_ width: Int) -> AlignedBuffer<Float> { AlignedBuffer(count: rows * max(width, 1)) }
    hidden = buffer(hiddenSize)
    normed = buffer(hiddenSize)
    projected = buffer(hiddenSize)
    let mixture = description.mixture
    routed = buffer(mixture == nil ? 0 : hiddenSize)
    shared = buffer(mixture?.sharedIntermediateSize == nil ? 0 : hiddenSize)
    func rounded(_ columns: Int, rows: Int) -> RowBuffer { RowBuffer(rowFormat, columns: columns, rows: rows) }
    let heads = description.attention.headCount
    roundedNormed = rounded(hiddenSize, rows: rows)
    switch description.attention {
    case .latent(let latent):
      query = buffer(heads * latent.queryDims)
      queryLatent = buffer(latent.queryRank ?? 0)
      keyValue = buffer(latent.latentRank + latent.rotaryDims)
      absorbed = buffer(heads * (latent.latentRank + latent.rotaryDims))
      attended = buffer(heads * latent.latentRank)
      values = buffer(heads * latent.valueDims)
      roundedQueryLatent = rounded(latent.queryRank ?? 0, rows: rows)
      roundedQuery = rounded(latent.nopeDims, rows: rows * heads)
      roundedAttended = rounded(latent.latentRank, rows: rows * heads)
      roundedValues = rounded(heads * latent.valueDims, rows: rows)
    case .grouped(let grouped):
      query = buffer(heads * grouped.headDims)
      queryLatent = buffer(0)
      keyValue = buffer(2 * grouped.keyValueHeadCount * grouped.headDims)
      absorbed = buffer(0)
      attended = buffer(0)
      values = buffer(heads * grouped.headDims)
      roundedQueryLatent = rounded(0, rows: 0)
      roundedQuery = rounded(0, rows: 0)
      roundedAttended = rounded(0, rows: 0)
      roundedValues = rounded(heads * grouped.headDims, rows: rows)
    }
    var widths = Set(mixture?.sharedIntermediateSize.map { [$0] } ?? [])
    for case .dense(let size) in description.layers.map(\.feedForward) { widths.insert(size) }
    activated = widths.map { rounded($0, rows: rows) }
    let widest = widths.max() ?? 0
    gate = buffer(widest)
    up = buffer(widest)
    cosine = buffer(description.rotary.dims / 2)
    sine = buffer(description.rotary.dims / 2)
    routerLogits = buffer(mixture?.expertCount ?? 0)
    decisions = RouterDecisions(capacity: mixture == nil ? 1 : rows, topK: mixture?.topK ?? 1)
    sharedGate = buffer(1)
  }
}
