/// One step of one rank on its way through the layers: what every layer is told beside its input.
///
/// A layer's `forward` is called by one thread (worker 0), which has the pool's workers share each stage. Every element
/// is computed in one fixed order of operations, whatever the number of workers, the other sequences of the batch, or
/// the way a prompt was cut into chunks.
struct ForwardPass {
  let batch: DecoderBatch
  /// Who wants to know which experts the tokens chose.
  let routing: RoutingTrace?

  /// Tokens, one row each.
  var rowCount: Int { batch.tokens.count }
}
