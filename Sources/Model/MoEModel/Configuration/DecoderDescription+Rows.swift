import Kernels

extension DecoderDescription {
  /// What rows are rounded to on their way into matrices that do not meet them as fp32.
  package var rowFormat: RowFormat { weights.rowFormat(holdsIntegers: holdsIntegers) }

  /// What rows enter the routed experts as, and travel between ranks as: one for all of them.
  package var expertRowFormat: RowFormat {
    weights == .mixed && quantization.isOfFloats && !storesIntegers ? .float32 : rowFormat
  }

  /// Whether matrices are held in integers unless something else is asked for.
  private var holdsIntegers: Bool {
    switch quantization {
    case .integers, .nvfp4, .martinet: true
    default: storesIntegers
    }
  }
}
