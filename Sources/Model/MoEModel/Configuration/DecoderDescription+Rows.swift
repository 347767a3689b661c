import Kernels

extension DecoderDescription {
  /// What rows are rounded to on their way into matrices that do not meet them as fp32.
  package var rowFormat: RowFormat {
    switch weights {
    case .auto: holdsIntegers ? .int8 : .float32
    case .f32: .float32
    case .bf16: .bfloat16
    case .mixed, .q8, .q4: .int8
    }
  }

  /// What rows enter the routed experts as, and travel between ranks as: one for all of them.
  package var expertRowFormat: RowFormat {
    switch (weights, quantization) {
    case (.mixed, .float8) where !storesIntegers, (.mixed, .mxfp4Experts) where !storesIntegers: .float32
    default: rowFormat
    }
  }

  /// Whether matrices are held in integers unless something else is asked for.
  private var holdsIntegers: Bool {
    switch quantization {
    case .integers, .nvfp4, .martinet: true
    case .none, .float8, .mxfp4Experts: storesIntegers
    }
  }
}
