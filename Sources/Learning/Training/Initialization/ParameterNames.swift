import MoEModel

/// What training calls each parameter: the name that the family publishes for it, apart from all others also where a
/// checkpoint keeps several in one tensor. So a name does not depend on how a folder is laid out.
package struct ParameterNames: Sendable {
  private let names: PublishedNames

  package init(_ description: DecoderDescription) { names = description.names.apart }

  package func name(of id: ParameterID) -> String { names.tensor(id) }
}
