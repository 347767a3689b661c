extension ModelError {
  /// What is wrong with settings alone; nil of other errors.
  var ofSettings: String? {
    switch self {
    case .unsupportedArchitecture(let name, let known):
      "model_type \(name.debugDescription) is not supported; supported are \(known.joined(separator: ", "))"
    case .unsupported(let key, let value, let remedy): "\(key) = \(value.debugDescription) is not supported; \(remedy)"
    case .inconsistent(let what): what
    default: nil
    }
  }

  /// What is wrong with a file that holds settings, as metadata, and tensors.
  var descriptionInFile: String {
    let remedy = "get the file again, or convert the model anew"
    switch self {
    case .missingTensor(let name):
      return "it has no tensor \(name.debugDescription), which its metadata call for; it is damaged: \(remedy)"
    case .unreadTensors(let names):
      let others = names.count > 1 ? " and \(names.count - 1) more" : ""
      return """
        nobody would read \(names[0].debugDescription)\(others), because its metadata do not call for it; the model \
        would compute something else: \(remedy)
        """
    case .wrongShape(let tensor, let found, let expected):
      return """
        tensor \(tensor.debugDescription) has shape \(found) where its metadata imply \(expected); it is damaged: \
        \(remedy)
        """
    default:
      return ofSettings.map { "as config.json its metadata say: \($0)" } ?? description
    }
  }
}
