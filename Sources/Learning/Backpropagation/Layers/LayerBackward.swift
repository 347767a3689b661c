import MoEModel

/// The backward pass of a layer's first half: it adds to the gradient of the residual stream.
protocol MixerBackward: AnyObject {
  func run(_ tape: MixerTape) throws
}

/// The backward pass of a layer's second half, likewise.
protocol FeedForwardBackward: AnyObject {
  /// `loss` gets what the layer itself adds to it.
  func run(_ tape: FeedForwardLayerTape, objective: Objective, loss: inout StepLoss) throws
}
