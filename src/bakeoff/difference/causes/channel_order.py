"""The order of the colours: OpenCV and the caffe weights of Keras have blue first."""

STAGE, KEYS = "channels", ("input.order",)
SAYS = "colours come as {a} on one side and {b} on the other"
TORCH = "cv2.cvtColor(image, cv2.COLOR_BGR2RGB)  # {value} is wanted; or image[..., ::-1].copy()"
KERAS = "image[..., ::-1]  # {value} is wanted"
GUESSES = [{"input.order": "RGB"}, {"input.order": "BGR"}]
