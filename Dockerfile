# syntax=docker/dockerfile:1-labs
# Makes the executable and the installation image in a container; the builds are those of scripts/, as everywhere.
#   docker build --target iso --output dist .        the image, in dist/   (needs a builder that may mount: --allow security.insecure)
#   docker build -t virtustor . && docker run --rm -it virtustor trial run --dir /tmp/trial
FROM debian:13 AS sources
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates nodejs npm && rm -rf /var/lib/apt/lists/*
WORKDIR /virtustor
COPY package.json package-lock.json tsconfig.json ./
COPY scripts ./scripts
COPY src ./src

FROM sources AS image
COPY image ./image
RUN --security=insecure scripts/image.sh --release

FROM scratch AS iso
COPY --from=image /virtustor/dist/*.iso /

FROM sources AS build
RUN scripts/build.sh

FROM debian:13-slim
COPY --from=build /virtustor/dist/virtustor /usr/local/bin/virtustor
ENTRYPOINT ["virtustor"]
